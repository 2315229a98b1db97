import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import sharp from "sharp";
import { describe, it } from "vitest";
import { loadBlip, loadClip, repositoryPath } from "./models.js";

/** Share of held-out scenes that must come out right. */
const AIM = 0.98;

interface Candidates {
  template: string;
  candidates: string[];
}

interface Sheet {
  /** Side of a tile, in pixels. */
  tile: number;
  columns: number;
  scenes: { caption: string; colour: string; shape: string }[];
  colours: Candidates;
  shapes: Candidates;
}

/** The tiles of a sheet as encoded pictures, as a user would hand them over. */
async function readSheet(name: string): Promise<{ sheet: Sheet; tiles: Buffer[] }> {
  const sheet: Sheet = JSON.parse(readFileSync(repositoryPath(`test/fixtures/${name}.json`), "utf8"));
  const { data, info } = await sharp(repositoryPath(`test/fixtures/${name}.png`))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const tiles = sheet.scenes.map((_, index) =>
    sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
      .extract({
        left: (index % sheet.columns) * sheet.tile,
        top: Math.floor(index / sheet.columns) * sheet.tile,
        width: sheet.tile,
        height: sheet.tile,
      })
      .png()
      .toBuffer(),
  );
  return { sheet, tiles: await Promise.all(tiles) };
}

function assertShare(right: number, total: number, what: string): void {
  assert.ok(right / total >= AIM, `${what}: ${right} of ${total} right, ${((100 * right) / total).toFixed(1)} %`);
}

describe("the demo models on scenes that they were never trained on", () => {
  for (const dtype of ["float32", "bfloat16"] as const) {
    it(`captions them exactly, in ${dtype}`, async (t) => {
      const { sheet, tiles } = await readSheet("scenes");
      await using blip = await loadBlip({ dtype });
      const captions = await blip.caption(tiles);
      const right = captions.filter(({ text }, index) => text === sheet.scenes[index]!.caption).length;
      t.annotate(`${right} of ${tiles.length} captions exactly right`);
      assertShare(right, tiles.length, "captions");
    });

    it(`tells colours and shapes apart, in ${dtype}`, async (t) => {
      const { sheet, tiles } = await readSheet("zeroshot");
      await using clip = await loadClip({ dtype });
      for (const [what, { template, candidates }] of [
        ["colour", sheet.colours],
        ["shape", sheet.shapes],
      ] as const) {
        const scores = await clip.classify(tiles, candidates, { template });
        const right = scores.filter(([best], index) => best!.label === sheet.scenes[index]![what]).length;
        t.annotate(`${right} of ${tiles.length} right by ${what}`);
        assertShare(right, tiles.length, what);
      }
    });
  }
});
