import { homedir } from "node:os";
import { join } from "node:path";

/** What a LibTorch build runs on. */
export type LibTorchVariant = "cpu" | "cuda";

/** This package's folder in the user's cache. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  return join(userCache(env, platform), "clip-blip");
}

/** Where `clip-blip setup` installs a release, and where it is searched. */
export function cacheFolder(version: string, variant: LibTorchVariant, root: string = cacheRoot()): string {
  return join(root, `libtorch-${version}-${variant}`);
}

/** The release and variant in the name of a cache folder; undefined for other names. */
export function parseCacheName(name: string): { version: string; variant: LibTorchVariant } | undefined {
  const match = /^libtorch-(\d+\.\d+\.\d+)-(cpu|cuda)$/.exec(name);
  return match ? { version: match[1]!, variant: match[2] as LibTorchVariant } : undefined;
}

function userCache(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  if (platform === "win32") return env.LOCALAPPDATA || join(homedir(), "AppData", "Local");
  if (platform === "darwin") return join(homedir(), "Library", "Caches");
  return env.XDG_CACHE_HOME || join(homedir(), ".cache");
}
