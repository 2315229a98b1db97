import assert from "node:assert/strict";
import { test } from "vitest";
import {
  type BlipMatcherDescription,
  type BlipWriterDescription,
  type ClipDescription,
  parseDescription,
} from "../../lib/checkpoint/description.js";

const COMMON = { formatVersion: 1, weightsDtype: "float32" } as const;
const TEXT = {
  contextLength: 77,
  vocabularySize: 49408,
  endTokenId: 49407,
  padTokenId: 49407,
};
const START = { startTokenId: 49406 };
const CLIP: ClipDescription = {
  ...COMMON,
  architecture: "clip",
  imageSize: 224,
  patchSize: 32,
  ...TEXT,
  ...START,
  dimension: 512,
  logitScale: 100,
};
const SIGLIP: ClipDescription = {
  ...COMMON,
  architecture: "siglip",
  imageSize: 224,
  patchSize: 16,
  ...TEXT,
  dimension: 768,
  logitScale: 117,
  logitBias: -12.9,
};
const CLIP_VISION: ClipDescription = {
  ...COMMON,
  architecture: "clip",
  imageSize: 224,
  patchSize: 32,
  dimension: 512,
};
const CLIP_TEXT: ClipDescription = { ...COMMON, architecture: "clip", ...TEXT, ...START, dimension: 512 };
const BLIP: BlipWriterDescription = {
  ...COMMON,
  architecture: "blip",
  task: "captioning",
  imageSize: 384,
  ...TEXT,
  ...START,
  generation: {
    maxLength: 20,
    minLength: 0,
    numBeams: 1,
    numReturnSequences: 1,
    repetitionPenalty: 1,
    lengthPenalty: 1,
    earlyStopping: "never",
    noRepeatNgramSize: 0,
    doSample: false,
    temperature: 1,
    topK: 50,
    topP: 1,
  },
};

const { generation: _generation, ...blipFields } = BLIP;
const BLIP_MATCHER: BlipMatcherDescription = { ...blipFields, task: "image-text-matching" };

test("reads what it is written as", () => {
  for (const description of [CLIP, CLIP_VISION, CLIP_TEXT, SIGLIP, BLIP, BLIP_MATCHER]) {
    assert.deepEqual(parseDescription(JSON.stringify(description)), description);
  }
});

test("ignores what a later version of the same format may add", () => {
  assert.deepEqual(parseDescription(JSON.stringify({ ...CLIP, colour: "blue" })), CLIP);
});

test("refuses another format", () => {
  for (const formatVersion of [0, 2, "1", null, undefined]) {
    assert.throws(() => parseDescription(JSON.stringify({ ...CLIP, formatVersion })), {
      code: "ERR_MODEL_INVALID",
      message: /format version .* export the checkpoint again/,
    });
  }
});

test("refuses every missing or wrong field by name", () => {
  for (const [whole, wrong] of [
    [
      CLIP,
      {
        architecture: "resnet",
        imageSize: 0,
        patchSize: 0,
        contextLength: 1.5,
        startTokenId: 49408,
        weightsDtype: "int8",
        dimension: -1,
        logitScale: "x",
      },
    ],
    [CLIP_VISION, { imageSize: "224", patchSize: null }],
    [CLIP_TEXT, { contextLength: 1 }],
    [SIGLIP, { logitBias: "none", logitScale: -1 }],
    [BLIP, { task: "painting", endTokenId: -1, padTokenId: true, vocabularySize: 0, generation: [] }],
    [BLIP_MATCHER, { task: 1, imageSize: 0 }],
    [
      BLIP.generation,
      {
        maxLength: 0,
        numBeams: 0,
        earlyStopping: "always",
        doSample: 1,
        topP: 2,
        repetitionPenalty: 0,
        temperature: null,
      },
    ],
  ] as const) {
    const text = (value: object) => JSON.stringify(whole === BLIP.generation ? { ...BLIP, generation: value } : value);
    for (const key of Object.keys(whole!)) {
      if (key === "formatVersion") continue;
      const rest: Record<string, unknown> = { ...whole };
      delete rest[key];
      assert.throws(
        () => parseDescription(text(rest)),
        { code: "ERR_MODEL_INVALID", message: new RegExp(`"${key}"`) },
        key,
      );
    }
    for (const [key, value] of Object.entries(wrong)) {
      const changed = { ...whole, [key]: value };
      assert.throws(
        () => parseDescription(text(changed)),
        { code: "ERR_MODEL_INVALID", message: new RegExp(key) },
        key,
      );
    }
  }
  for (const text of ["", "{", "[]", "null"]) {
    assert.throws(() => parseDescription(text), { code: "ERR_MODEL_INVALID", message: /clip-blip\.json/ });
  }
});
