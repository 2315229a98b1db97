/** How long each target is fuzzed: two minutes by default, a few seconds where CLIP_BLIP_FUZZ_SECONDS says so. */
export const SECONDS = Number(process.env.CLIP_BLIP_FUZZ_SECONDS ?? 120);
