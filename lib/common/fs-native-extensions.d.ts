// The package has no types of its own.
declare module "fs-native-extensions" {
  /** Locks an open file exclusively (F_OFD_SETLK on Linux). False where another open file has the lock. */
  export function tryLock(fd: number): boolean;
}
