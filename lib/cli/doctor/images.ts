import type { Check } from "./check.js";

/** sharp, which decodes pictures, and the libvips in it. */
export async function checkImages(): Promise<Check> {
  try {
    const { default: sharp } = await import("sharp");
    const { sharp: version, vips } = sharp.versions;
    return { name: "sharp", status: "ok", detail: `${version}, libvips ${vips}`, data: { version, vips } };
  } catch (error) {
    // sharp's own message is a page of remedies; its first line is the reason.
    const [detail] = (error as Error).message.split("\n");
    return {
      name: "sharp",
      status: "missing",
      detail: detail!,
      remedy: "run npm install again on this machine, with optional dependencies",
    };
  }
}
