import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { readTokenizer, type TokenizerKind } from "../../lib/checkpoint/tokenizers/tokenizer.js";
import { createBlipTokenizer } from "../../lib/text/blip-tokenizer.js";
import { createClipTokenizer } from "../../lib/text/clip-tokenizer.js";
import { createSiglipTokenizer } from "../../lib/text/siglip-tokenizer.js";

interface Layout {
  name: string;
  base: "clip" | "bert" | "siglip" | "siglip2";
  copy?: string[];
  patch?: Record<string, Record<string, unknown>>;
  write?: Record<string, unknown>;
  /** What AutoTokenizer gives for each text. */
  ids: number[][];
  /** What it decodes them to; of BLIP's tokenizers only. */
  decoded?: string[];
  /** Default: those of all layouts. */
  texts?: string[];
}

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const read = (name: string) => JSON.parse(readFileSync(join(fixtures, "layouts", name), "utf8"));
const {
  contextLength,
  texts: common,
  cases,
}: { contextLength: number; texts: string[]; cases: Layout[] } = read("cases.json");
const random: Layout[] = read("random.json").cases;
const SOURCES = { clip: "layouts/clip", bert: "layouts/bert", siglip: "siglip/siglip", siglip2: "layouts/siglip2" };

/** Writes the files of a layout, as make_layouts.py does. */
function build({ base, copy = [], patch = {}, write = {} }: Layout): string {
  const directory = mkdtempSync(join(tmpdir(), "clip-blip-layout-"));
  const source = join(fixtures, SOURCES[base]);
  for (const file of copy) cpSync(join(source, file), join(directory, file));
  for (const [file, keys] of Object.entries(patch)) {
    const value = { ...JSON.parse(readFileSync(join(source, file), "utf8")), ...keys };
    const kept = Object.entries(value).filter(([, one]) => one !== null);
    writeFileSync(join(directory, file), JSON.stringify(Object.fromEntries(kept)));
  }
  for (const [file, value] of Object.entries(write)) {
    writeFileSync(join(directory, file), typeof value === "string" ? value : JSON.stringify(value));
  }
  return directory;
}

function encoderOf(kind: TokenizerKind, tokenizer: string, config: string): (text: string) => number[] {
  if (kind === "bert") {
    const blip = createBlipTokenizer(tokenizer, config, { startTokenId: 1, maxTokens: contextLength });
    return (text) => blip.encodeText(text);
  }
  const create = kind === "clip" ? createClipTokenizer : createSiglipTokenizer;
  const made = create(tokenizer, config, { contextLength, padTokenId: 0 });
  return (text) => made.encode(text);
}

test.each([...cases, ...random])("$name", async (layout) => {
  const directory = build(layout);
  try {
    const kind = layout.base === "siglip2" ? "siglip" : layout.base;
    const { tokenizer, config } = await readTokenizer(directory, kind);
    const encode = encoderOf(kind, tokenizer, config);
    for (const [index, text] of (layout.texts ?? common).entries()) {
      assert.deepEqual(encode(text), layout.ids[index], JSON.stringify(text));
    }
    const blip = createBlipTokenizer(tokenizer, config, { startTokenId: -1 });
    for (const [index, text] of (layout.decoded ?? []).entries()) assert.equal(blip.decode(layout.ids[index]!), text);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("every layout that transformers reads is compared", () => {
  assert.ok(cases.length >= 220 && common.length >= 50 && random.length >= 150);
});
