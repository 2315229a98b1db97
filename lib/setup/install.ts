import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ClipBlipError, isError } from "../common/errors.js";
import { withLock } from "../common/lock.js";
import { checkLibTorch, type LibTorchCheck, type LibTorchReport } from "../native/check.js";
import { cacheFolder, type LibTorchVariant } from "../native/libtorch/cache.js";
import { findLibTorch, type LibTorchLocation } from "../native/libtorch/find.js";
import { PINNED_LIBTORCH } from "../native/libtorch/version.js";
import { knowsNoReport, type PipAttempt, pipArguments, pipAttempts, pipProblem, runPip } from "./pip.js";
import { checkWheelHash } from "./wheel-hashes.js";

/** Options of `installLibTorch`. */
export interface InstallOptions {
  variant: LibTorchVariant;
  signal?: AbortSignal | undefined;
  /** Receives progress messages, one line at a time. */
  log?: ((line: string) => void) | undefined;
  /** Receives pip's output by lines. Default: pip writes to standard error, with its progress bar. */
  onPipLine?: ((line: string) => void) | undefined;
  /** Whether to load the installation once in a child process, which needs the addon. Default true. */
  verify?: boolean | undefined;
}

/** The installation, new or existing. */
export interface InstallResult {
  location: LibTorchLocation;
  /** What the addon reports about it; absent if it was not verified. */
  report?: LibTorchReport;
}

/**
 * Installs the pinned LibTorch into the user's cache with pip, and loads it once in a child process before moving it
 * into place. A working installation is kept. Concurrent processes wait for each other.
 */
export async function installLibTorch(options: InstallOptions): Promise<InstallResult> {
  const folder = cacheFolder(PINNED_LIBTORCH, options.variant);
  const cache = dirname(folder);
  try {
    return await installInto(folder, options);
  } catch (error) {
    // A file system error concerns the cache folder, since Python and the check run in processes of their own.
    if (isError(error) && "syscall" in error) throw notWritable(cache, error as NodeJS.ErrnoException);
    throw error;
  }
}

async function installInto(folder: string, options: InstallOptions): Promise<InstallResult> {
  const { signal, log = () => {}, verify = true } = options;
  const cache = dirname(folder);
  await mkdir(cache, { recursive: true });
  return withLock(
    join(cache, `.${basename(folder)}.lock`),
    async () => {
      if (existsSync(folder)) {
        if (isWhole(folder)) {
          log(`LibTorch ${PINNED_LIBTORCH} is already in ${folder}.`);
          return inspect(folder, verify, signal);
        }
        log(`${folder} is incomplete and will be replaced.`);
        await rm(folder, { recursive: true });
      }
      return install(folder, options);
    },
    { signal, onWait: () => log("Another process is installing LibTorch; waiting for it.") },
  );
}

async function install(folder: string, options: InstallOptions): Promise<InstallResult> {
  const { variant, signal, log = () => {}, verify = true } = options;
  const problem = pipProblem();
  if (problem) throw notInstalled(`installing it needs pip, but ${problem}`);
  await removeLeftovers(folder);
  const temporary = await mkdtemp(join(dirname(folder), `.${basename(folder)}.`));
  try {
    const target = join(temporary, "packages");
    await download(target, temporary, options);
    const { location } = await inspect(target, false, signal);
    if (location.cuda !== (variant === "cuda")) {
      throw notInstalled(`pip's index has the ${location.build} build of LibTorch and not the ${variant} build`);
    }
    if (verify) log("Loading it once to check it.");
    const { report } = await inspect(target, verify, signal);
    await rename(target, folder);
    log(`LibTorch ${location.version} (${location.build}) is in ${folder}.`);
    return { location: (await inspect(folder, false, signal)).location, report };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Lets pip install into `target`, using the first attempt that works. */
async function download(target: string, temporary: string, options: InstallOptions): Promise<void> {
  const { variant, signal, log = () => {}, onPipLine } = options;
  let said = "";
  for (const attempt of pipAttempts(PINNED_LIBTORCH, variant)) {
    log(`Installing ${describeAttempt(attempt)} with pip.`);
    const report = join(temporary, "report.json");
    const run = (parameters: string[]) => runPip(parameters, { temporary, signal, onLine: onPipLine });
    let result = await run(pipArguments(attempt, target, variant, report));
    if (knowsNoReport(result.said)) result = await run(pipArguments(attempt, target, variant));
    if (result.ok) {
      const known = await checkWheelHash(report);
      log(known ? "The wheel has the hash that PyTorch published." : "The hash of this wheel is not known here.");
      return;
    }
    said = result.said;
    await rm(target, { recursive: true, force: true });
  }
  throw notInstalled("pip could not install it", said);
}

function describeAttempt({ requirement, index }: PipAttempt): string {
  return index.length ? `${requirement} (${index.at(-1)})` : requirement;
}

/** The LibTorch in `folder`; throws if there is none or if it does not load. */
async function inspect(folder: string, verify: boolean, signal?: AbortSignal): Promise<InstallResult> {
  const env = { ...process.env, LIBTORCH: join(folder, "torch") };
  const location: LibTorchLocation = { ...findLibTorch({ env })!, source: "cache", path: folder };
  if (!verify) return { location };
  const check: LibTorchCheck = await checkLibTorch({ env, signal });
  if (check.ok) return { location, report: check.report };
  throw new ClipBlipError("ERR_LIBTORCH_NOT_FOUND", `LibTorch in ${folder} does not load: ${check.error.message}`);
}

/** Whether `folder` contains a complete LibTorch. */
function isWhole(folder: string): boolean {
  try {
    return findLibTorch({ env: { ...process.env, LIBTORCH: join(folder, "torch") } }) !== undefined;
  } catch {
    return false;
  }
}

/** Removes the folders of killed installations. The caller holds the lock, so they are not in use. */
async function removeLeftovers(folder: string): Promise<void> {
  const prefix = `.${basename(folder)}.`;
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix) || name === `${prefix}lock`) continue;
    await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
}

function notWritable(cache: string, cause: NodeJS.ErrnoException): ClipBlipError {
  const other = process.platform === "linux" ? ", or set XDG_CACHE_HOME to another folder" : "";
  return new ClipBlipError(
    "ERR_LIBTORCH_NOT_FOUND",
    `LibTorch cannot be installed into ${cache} (${cause.code}): make it a writable folder with enough ` +
      `space${other}.`,
    { cause },
  );
}

function notInstalled(reason: string, detail?: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_LIBTORCH_NOT_FOUND",
    `LibTorch was not installed, because ${reason}: install Python 3.10 or newer with pip and run \`npx clip-blip setup\` ` +
      `again, or unzip LibTorch ${PINNED_LIBTORCH} from pytorch.org and set LIBTORCH to its folder` +
      `${detail ? `. pip said: ${detail}` : "."}`,
    detail === undefined ? {} : { cause: new Error(detail) },
  );
}
