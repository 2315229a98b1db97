import assert from "node:assert/strict";
import { it } from "vitest";
import type { Counts } from "./counts.js";
import { runProgram } from "./program.js";
import { describeEach, program } from "./suite.js";

/** Kernels of a forward of ViT-B/32's image tower; the text tower also looks for each text's end. */
const MAX_LAUNCHES = 105;

describeEach("what a warm call needs of the stand-in", (standin) => {
  it("is as little as bench/LIMITS.md says", async (t) => {
    const lines = await runProgram<{ what: string; counts: Counts }>(standin, program("counted"));
    const of = new Map(lines.map(({ what, counts }) => [what, counts]));
    for (const [what, counts] of of) t.annotate(`${what}: ${JSON.stringify(counts)}`);
    const part = (what: string, ...names: string[]) => names.map((name) => of.get(what)![name] ?? 0);

    for (const what of of.keys()) {
      // Nothing stays, on the device or pinned, and nothing is done that a capture would forbid.
      assert.deepEqual(part(what, "used_bytes", "host_allocs", "host_bytes", "violations"), [0, 0, 0, 0], what);
      // Whoever asks for the device's memory waits for the driver.
      assert.deepEqual(part(what, "mem_info"), [0], what);
    }
    // Up to 64 pictures or texts: one graph, its input in (8 MiB at a time), its vectors out, and one wait.
    for (const what of ["1 picture", "64 pictures", "1 text", "64 texts"]) {
      const nodes = what.includes("text") ? MAX_LAUNCHES + 1 : MAX_LAUNCHES;
      const copies = what === "64 pictures" ? 3 : 2;
      assert.deepEqual(part(what, "launches", "graph_launches", "copies", "device_waits"), [0, 1, copies, 1], what);
      assert.deepEqual(part(what, "mallocs", "frees"), [0, 0], what);
      assert.ok(part(what, "graph_nodes_launched")[0]! <= nodes, what);
    }
    // Many: all that the call takes in one block, which goes back behind the answer.
    assert.deepEqual(part("256 pictures", "mallocs", "frees", "device_waits"), [1, 1, 1]);
    assert.ok(part("256 pictures", "launches")[0]! <= MAX_LAUNCHES);
    for (const what of ["64 pictures", "256 pictures"]) {
      const [bytes] = part(what, "host_to_device_bytes");
      assert.equal(bytes, Number.parseInt(what, 10) * 224 * 224 * 3, "bytes go to the device as they are");
    }
    // Another token is one graph, its tokens out, and one wait.
    for (const what of ["1 caption", "8 captions", "1 caption of 3 beams"]) {
      const difference = (name: string) => part(`${what}, a token more`, name)[0]! - part(what, name)[0]!;
      assert.deepEqual(
        ["launches", "graph_launches", "copies", "device_waits", "mallocs"].map(difference),
        [0, 1, 1, 1, 0],
        what,
      );
    }
  });
});
