import type sharp from "sharp";
import { ClipBlipError } from "../common/errors.js";

export type SharpModule = typeof sharp;

let loading: Promise<SharpModule> | undefined;

/**
 * The sharp module, loaded when the first picture comes, so that programs which only embed text never load it.
 *
 * Its process-wide settings are left as they are, since they belong to the whole program. They are right as they stand:
 * `sharp.concurrency()` is 1 by default on Linux with glibc, which is what many decodes side by side want, and
 * `sharp.cache()` cannot give stale pictures here, where every decode has its own copy of the bytes. A process that is
 * this package's own sets both itself: see `tuneSharp`.
 *
 * @throws ERR_INTERNAL where sharp's binary for this platform is missing
 */
export function loadSharp(): Promise<SharpModule> {
  loading ??= import("sharp").then(
    (module) => module.default,
    (cause) => {
      loading = undefined;
      throw new ClipBlipError(
        "ERR_INTERNAL",
        "sharp, which decodes pictures, cannot be loaded; reinstall it for this platform (npm install sharp), and keep it out of bundles.",
        { cause },
      );
    },
  );
  return loading;
}

/**
 * For a process that is this package's own (command line, service, worker), never for a library inside another program:
 * one thread a decode, no cache of finished operations, and only the loaders of the formats that are read.
 */
export async function tuneSharp(): Promise<void> {
  const sharp = await loadSharp();
  sharp.concurrency(1);
  sharp.cache(false);
  sharp.block({ operation: ["VipsForeignLoad"] });
  sharp.unblock({
    operation: [
      "VipsForeignLoadJpegBuffer",
      "VipsForeignLoadPngBuffer",
      "VipsForeignLoadWebpBuffer",
      "VipsForeignLoadNsgifBuffer",
      "VipsForeignLoadTiffBuffer",
      "VipsForeignLoadHeifBuffer",
    ],
  });
}
