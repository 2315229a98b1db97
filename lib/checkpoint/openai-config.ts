import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";
import type { WeightTable } from "./weights.js";

/** What the weights of a CLIP do not say about it. */
export interface OpenAiOptions {
  activation: "quick_gelu" | "gelu";
  /** Numbers of a head of the image tower. */
  visionHeadWidth: number;
  /** Heads of the text tower; one for each 64 numbers when left out. */
  textHeads?: number;
}

/** What OpenAI's code takes where only weights are given: `build_model` in clip/model.py. */
export const OPENAI_OPTIONS: OpenAiOptions = { activation: "quick_gelu", visionHeadWidth: 64 };

const HEAD_WIDTH = 64;

/**
 * The sizes of a CLIP as the shapes of its weights tell them, as a config.json of transformers.
 * `weights`: under OpenAI's names.
 * @throws ClipBlipError ERR_MODEL_INVALID for the weights of something else
 */
export function openAiConfig(weights: WeightTable, options: OpenAiOptions): JsonObject {
  const { path } = weights;
  const shapeOf = (name: string, rank: number) => {
    const shape = weights.get(name)?.shape;
    if (shape?.length === rank && !shape.includes(0)) return shape as [number, number];
    throw invalidModel(`${path} has no tensor "${name}" of ${rank} dimensions: it is no CLIP with OpenAI's names`);
  };
  const layersOf = (encoder: string) =>
    weights.names().reduce((layers, name) => {
      const index = name.startsWith(`${encoder}.`) ? /^\d+/.exec(name.slice(encoder.length + 1)) : null;
      return index === null ? layers : Math.max(layers, Number(index[0]) + 1);
    }, 0);
  const tower = (encoder: string, width: number) => ({
    hidden_size: width,
    intermediate_size: shapeOf(`${encoder}.0.mlp.c_fc.weight`, 2)[0],
    num_hidden_layers: layersOf(encoder),
    hidden_act: options.activation,
  });

  assertVisionTransformer(weights);
  const [visionWidth] = shapeOf("visual.conv1.weight", 4);
  const patchSize = weights.get("visual.conv1.weight")!.shape[3]!;
  const [places] = shapeOf("visual.positional_embedding", 2);
  const side = Math.round(Math.sqrt(places - 1));
  const [vocabulary, textWidth] = shapeOf("token_embedding.weight", 2);
  return new JsonObject(
    {
      projection_dim: shapeOf("text_projection", 2)[1],
      vision_config: {
        ...tower("visual.transformer.resblocks", visionWidth),
        num_attention_heads: Math.floor(visionWidth / options.visionHeadWidth),
        image_size: side * patchSize,
        patch_size: patchSize,
      },
      text_config: {
        ...tower("transformer.resblocks", textWidth),
        num_attention_heads: options.textHeads ?? Math.floor(textWidth / HEAD_WIDTH),
        vocab_size: vocabulary,
        max_position_embeddings: shapeOf("positional_embedding", 2)[0],
        // The end token is the largest id of a text.
        eos_token_id: 2,
      },
    },
    path,
  );
}

function assertVisionTransformer(weights: WeightTable): void {
  if (weights.names().some((name) => name.startsWith("visual.layer1."))) {
    throw invalidModel(
      `${weights.path} is a CLIP with a ResNet (RN50 and kin), which is not supported: take one of the ViT models`,
    );
  }
  if (weights.names().some((name) => name.startsWith("vision_model."))) {
    throw invalidModel(
      `${weights.path} has the names of Hugging Face transformers: load the directory with its config.json instead`,
    );
  }
}
