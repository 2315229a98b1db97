import { existsSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Removes the folder in which CMake works where its cache is of another place: CMake refuses it in a clone that was
 * moved or copied.
 */
export function removeStaleCache(work, source) {
  const file = join(work, "CMakeCache.txt");
  if (!existsSync(file)) return;
  const cache = readFileSync(file, "utf8");
  const isOf = (entry, folder) => {
    const [, recorded] = new RegExp(`^${entry}:INTERNAL=(.*)$`, "m").exec(cache) ?? [];
    return recorded !== undefined && existsSync(recorded) && realpathSync(recorded) === realpathSync(folder);
  };
  if (isOf("CMAKE_HOME_DIRECTORY", source) && isOf("CMAKE_CACHEFILE_DIR", work)) return;
  rmSync(work, { recursive: true });
}
