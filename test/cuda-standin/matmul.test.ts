import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "vitest";
import { repositoryPath } from "../library/models.js";
import { Control } from "./control.js";
import { run } from "./shell.js";
import type { Standin } from "./standin.js";
import { describeEach } from "./suite.js";

interface Product {
  what: string;
  type: "Half" | "BFloat16" | "Float";
  /** The largest, from the CPU's in float32; -1 where the product was refused. */
  difference: number;
  largest: number;
  contiguous: boolean;
}

/** One rounding of a result to the type: half a unit in its last place. */
const ROUNDING = { Half: 2 ** -11, BFloat16: 2 ** -8, Float: 0 };

describeEach("products of cuBLASLt on the stand-in", (standin) => {
  it("with a bias and a summand are right, or left to LibTorch", async (t) => {
    const products = await productsOf(standin);
    assert.equal(products.length, 12);
    for (const { what, type, difference, largest, contiguous } of products) {
      t.annotate(`${type} ${what}: ${difference} of ${largest}`);
      // Rows that do not lie one behind the other are no matrix; and float32 keeps to LibTorch's own settings.
      if (type === "Float" || what === "of turned tensors") {
        assert.equal(difference, -1);
        continue;
      }
      assert.ok(contiguous);
      assert.ok(difference >= 0 && difference <= ROUNDING[type] * largest, `${type} ${what}: ${difference}`);
    }
  });
});

/** The program, compiled over the stand-in's LibTorch, and what it prints. */
async function productsOf({ version, torch, prebuild, env }: Standin): Promise<Product[]> {
  const folder = mkdtempSync(join(tmpdir(), "clip-blip-standin-"));
  try {
    const program = join(folder, "linear_add");
    const libraries = join(torch, "lib");
    const includes = ["", "torch/csrc/api/include"].flatMap((part) => ["-isystem", join(torch, "include", part)]);
    await run("g++", [
      ...["-std=c++20", "-O1", "-iquote", repositoryPath("native")],
      ...[repositoryPath("test/cuda-standin/programs/linear_add.cc"), "-o", program],
      ...[...includes, `-L${libraries}`, `-Wl,-rpath,${libraries}`, "-Wl,--no-as-needed"],
      ...["-ltorch", "-ltorch_cpu", "-ltorch_cuda", "-lc10", "-Wl,--allow-shlib-undefined"],
    ]);
    const path = join(folder, "control");
    const control = new Control(path);
    control.set("compute", 1);
    control.close();
    const backend = join(prebuild, "build", "Release", "clip_blip_cuda.so");
    const output = await run(program, [backend, version], { ...process.env, ...env, CUDA_STANDIN_CONTROL: path });
    const lines = output.trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Product);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
