/** What a part is told, as its one argument; see record.mjs. */
export const settings = () => JSON.parse(process.argv[2]);

/** Gives one figure to the record. */
export const figure = (values) => process.stdout.write(`${JSON.stringify(values)}\n`);

/** Whether CUDA is the stand-in of test/cuda-standin, which computes nothing: a rehearsal says so. */
export const onStandIn = process.env.CLIP_BLIP_STANDIN === "1";

/** Tells what a part leaves out there and why; gives false on a card. */
export function leftOut(what, why) {
  if (onStandIn) figure({ kind: "left out", what, why });
  return onStandIn;
}
