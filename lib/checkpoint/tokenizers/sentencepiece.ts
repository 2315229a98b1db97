import { PbfReader } from "pbf";
import { invalidModel } from "../invalid.js";

const DAMAGED = "spiece.model is damaged, or not a SentencePiece model: download it again";

/** Types of pieces in a SentencePiece vocabulary, numbered as in sentencepiece_model.proto. */
export const PIECE_TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** One piece of the vocabulary; its id is its index. */
export interface SentencePiece {
  text: string;
  /** Its log-probability. */
  score: number;
  /** One of `PIECE_TYPES`. */
  type: number;
}

/**
 * The fields of a SentencePiece model that are read (`ModelProto` in sentencepiece_model.proto), with the defaults
 * given there.
 */
export interface SentencePieceModel {
  pieces: SentencePiece[];
  /** 1: unigram; 2: byte-pair encoding. */
  modelType: number;
  treatWhitespaceAsSuffix: boolean;
  /** Normalization table, in the format that `Charsmap` in lib/text reads; empty if text is not changed. */
  charsmap: Uint8Array;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  escapeWhitespaces: boolean;
}

/**
 * Reads spiece.model.
 * @throws ClipBlipError ERR_MODEL_INVALID if the file is damaged or in another format
 */
export function readSentencePiece(bytes: Uint8Array): SentencePieceModel {
  const model: SentencePieceModel = {
    pieces: [],
    modelType: 1,
    treatWhitespaceAsSuffix: false,
    charsmap: new Uint8Array(),
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
  };
  try {
    new PbfReader(bytes).readFields(readModel, model);
  } catch (cause) {
    throw invalidModel(DAMAGED, cause);
  }
  const sound = model.pieces.every(({ text, score }) => text !== "" && Number.isFinite(score));
  if (model.pieces.length === 0 || !sound) throw invalidModel(DAMAGED);
  return model;
}

function readModel(field: number, model: SentencePieceModel, pbf: PbfReader): void {
  if (field === 1) {
    model.pieces.push(pbf.readMessage(readPiece, { text: "", score: 0, type: PIECE_TYPES.normal as number }));
  } else if (field === 2) pbf.readMessage(readTrainer, model);
  else if (field === 3) pbf.readMessage(readNormalizer, model);
}

function readPiece(field: number, piece: SentencePiece, pbf: PbfReader): void {
  if (field === 1) piece.text = pbf.readString();
  else if (field === 2) piece.score = pbf.readFloat();
  else if (field === 3) piece.type = pbf.readVarint();
}

function readTrainer(field: number, model: SentencePieceModel, pbf: PbfReader): void {
  if (field === 3) model.modelType = pbf.readVarint();
  else if (field === 24) model.treatWhitespaceAsSuffix = pbf.readBoolean();
}

function readNormalizer(field: number, model: SentencePieceModel, pbf: PbfReader): void {
  if (field === 2) model.charsmap = pbf.readBytes();
  else if (field === 3) model.addDummyPrefix = pbf.readBoolean();
  else if (field === 4) model.removeExtraWhitespaces = pbf.readBoolean();
  else if (field === 5) model.escapeWhitespaces = pbf.readBoolean();
}
