// The readers of weights that nobody vouches for: damaged safetensors, pickles and zips are read or refused with
// ERR_MODEL_INVALID. Not coverage-guided: the JavaScript fuzzer with a binary on npm needs a newer glibc than Debian 12.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { readPickle } from "../../lib/checkpoint/pickle.js";
import { readSafetensors } from "../../lib/checkpoint/safetensors.js";
import { readTorchBin } from "../../lib/checkpoint/torch-bin.js";
import { ClipBlipError } from "../../lib/errors.js";
import { repositoryPath } from "../library/models.js";
import { SECONDS } from "./seconds.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-fuzz-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "weights");

const readFile = (read: (path: string) => Promise<unknown>) => (bytes: Uint8Array) => {
  writeFileSync(file, bytes);
  return read(file);
};

const fixture = (name: string) => readFileSync(repositoryPath(`test/fixtures/checkpoint/${name}`));

/** The part of a file that is structure: damage to the numbers of the weights shows nothing. */
const readers: [string, Buffer[], (bytes: Uint8Array) => unknown][] = [
  [
    "safetensors",
    [fixture("clip-text/model.safetensors"), Buffer.from('\x10\0\0\0\0\0\0\0{"__metadata__":}')],
    readFile(readSafetensors),
  ],
  ["torch zips", [fixture("tensors.bin"), fixture("nested.bin"), fixture("float8.bin")], readFile(readTorchBin)],
  [
    "pickles",
    [fixture("legacy.bin"), fixture("legacy.bin").subarray(100), Buffer.from("\x80\x02}q\0.", "latin1")],
    (bytes) => readPickle(Buffer.from(bytes)),
  ],
];

/** One change of a file, at a place that is a share of its length. */
interface Change {
  kind: "flip" | "set" | "cut" | "drop" | "insert" | "repeat";
  at: number;
  bytes: Uint8Array;
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom("flip", "flip", "flip", "flip", "flip", "set", "set", "cut", "drop", "insert", "repeat"),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
});

function changed(original: Uint8Array, changes: Change[]): Buffer {
  let bytes = Buffer.from(original);
  for (const { kind, at, bytes: more } of changes) {
    const place = Math.floor(at * bytes.length);
    const [before, behind] = [bytes.subarray(0, place), bytes.subarray(place)];
    if (kind === "flip" && bytes.length > 0) bytes[place]! ^= 1 << (more[0]! & 7);
    else if (kind === "set") bytes = Buffer.concat([before, more, behind.subarray(more.length)]);
    else if (kind === "cut") bytes = Buffer.from(before);
    else if (kind === "drop") bytes = Buffer.concat([before, behind.subarray(more.length)]);
    else if (kind === "insert") bytes = Buffer.concat([before, more, behind]);
    else bytes = Buffer.concat([before, behind.subarray(0, 40), behind]);
  }
  return bytes;
}

describe(`${SECONDS} s of damage each`, () => {
  for (const [what, originals, read] of readers) {
    it(`${what} are read or refused`, async (t) => {
      let runs = 0;
      let refused = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...originals),
          fc.array(change, { minLength: 1, maxLength: 3 }),
          async (bytes, changes) => {
            runs++;
            try {
              await read(changed(bytes, changes));
            } catch (error) {
              assert.ok(error instanceof ClipBlipError && error.code === "ERR_MODEL_INVALID", String(error));
              refused++;
            }
          },
        ),
        { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false },
      );
      t.diagnostic(`${runs} files, ${refused} refused`);
      assert.ok(runs > 50 && refused > runs / 10);
    });
  }
});
