import { existsSync } from "node:fs";
import { basename } from "node:path";
import { isHubId } from "../hub/hub.js";
import type { ImageInput } from "../input/types.js";
import type { Caption } from "../models/blip/caption.js";
import { BlipModel, type CaptionOptions } from "../models/blip/model.js";
import {
  type ClassifyOptions,
  ClipModel,
  type EncodeImagesOptions,
  type EncodeTextsOptions,
  type LabelScore,
} from "../models/clip/model.js";
import type { LoadOptions } from "../models/load-options.js";

/** What the service uses of either model. */
export type AnyServiceModel = Pick<ClipModel, "capabilities" | "warmup" | "unload" | "close">;

/** What the service uses of a CLIP model: its calls with lists. */
export interface ServiceClip extends AnyServiceModel, Pick<ClipModel, "countTokens"> {
  encodeImages(images: ImageInput[], options?: EncodeImagesOptions): Promise<Float32Array[]>;
  encodeTexts(texts: string[], options?: EncodeTextsOptions): Promise<Float32Array[]>;
  classify(images: ImageInput[], labels: string[], options?: ClassifyOptions): Promise<LabelScore[][]>;
}

/** What the service uses of a BLIP model: its calls with lists. */
export interface ServiceBlip extends AnyServiceModel {
  caption(images: ImageInput[], options?: CaptionOptions): Promise<Caption[]>;
}

/** Loads a model with the service's options. */
export type ModelLoader<M> = (options: LoadOptions) => Promise<M>;

/** A source for `ClipModel.load` or `BlipModel.load`, with the options that say which model of it is meant. */
export interface ModelSource extends Pick<LoadOptions, "revision" | "subfolder"> {
  source: string;
}

/** A model of the service: a source, false for none, a loaded model, or a function that loads one. */
export type ModelOption<M> = string | ModelSource | false | M | ModelLoader<M>;

/** Where a model of the service comes from. */
export interface ModelOrigin<M> {
  /** Name of the model in responses. */
  label: string;
  load: ModelLoader<M>;
  /** Whether the service closes it. */
  owned: boolean;
}

/** Whether an option is a source with its options. */
function isSource(option: unknown): option is ModelSource {
  return typeof (option as Partial<ModelSource> | null)?.source === "string";
}

/** Whether an option is a loaded model. */
export function isModel(option: unknown): option is AnyServiceModel {
  return typeof (option as Partial<AnyServiceModel> | null)?.capabilities === "function";
}

/** Where the CLIP model comes from. */
export const clipOrigin = (option: Exclude<ModelOption<ServiceClip>, false>): ModelOrigin<ServiceClip> =>
  originOf("clip", option, (source, options) => ClipModel.load(source, options));

/** Where the BLIP model comes from. */
export const blipOrigin = (option: Exclude<ModelOption<ServiceBlip>, false>): ModelOrigin<ServiceBlip> =>
  originOf("blip", option, (source, options) => BlipModel.load(source, options));

function originOf<M extends AnyServiceModel>(
  architecture: string,
  option: Exclude<ModelOption<M>, false>,
  load: (source: string, options: LoadOptions) => Promise<M>,
): ModelOrigin<M> {
  if (typeof option === "string" || isSource(option)) {
    const { source, ...which } = typeof option === "string" ? { source: option } : option;
    return { label: publicName(source), load: (options) => load(source, { ...options, ...which }), owned: true };
  }
  if (typeof option === "function") return { label: architecture, load: option, owned: true };
  return { label: architecture, load: async () => option, owned: false };
}

/** A source as clients see it: a name, never a path. */
function publicName(source: string): string {
  return isHubId(source) && !existsSync(source) ? source : basename(source);
}
