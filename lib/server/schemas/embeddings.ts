import { Type } from "@fastify/type-provider-typebox";

/** Embeddings, as both routes of them answer. */
export const embeddingsSchema = Type.Object({
  model: Type.String(),
  dimension: Type.Integer({ description: "Numbers in an embedding." }),
  embeddings: Type.Array(Type.Array(Type.Number()), { description: "In the order of the request." }),
});

/** Embeddings as that answer; there is at least one. */
export function embeddingsAnswer(model: string, embeddings: Float32Array[]) {
  return {
    model,
    dimension: embeddings[0]!.length,
    embeddings: embeddings.map((embedding) => Array.from(embedding)),
  };
}
