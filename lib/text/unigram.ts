/** How far the score of unknown characters is below the least probable piece: `kUnkPenalty` in SentencePiece. */
const UNKNOWN_PENALTY = 10;

/** The best segmentation of a prefix of the text. */
interface Step {
  id: number;
  /** Index of the first character of its last piece. */
  start: number;
  score: number;
}

/**
 * A vocabulary of pieces with log-probabilities. Splits a text into its most probable sequence of pieces.
 *
 * Follows SentencePiece (`Model::EncodeOptimized`) including its float32 sums: repeated letters can be split in several
 * ways of equal probability, and rounding decides between them. The Unigram of @huggingface/tokenizers adds in double
 * precision.
 */
export class Unigram {
  readonly #ids = new Map<string, number>();
  readonly #scores: Float32Array;
  readonly #unknownId: number;
  readonly #unknownScore: number;
  readonly #longest: number;

  /** @param special ids of pieces that no text matches, including the unknown one */
  constructor(pieces: readonly [piece: string, score: number][], unknownId: number, special: ReadonlySet<number>) {
    this.#unknownId = unknownId;
    this.#scores = Float32Array.from(pieces, ([, score]) => score);
    let least = Number.POSITIVE_INFINITY;
    let longest = 1;
    for (const [id, [piece]] of pieces.entries()) {
      if (special.has(id)) continue;
      this.#ids.set(piece, id);
      least = Math.min(least, this.#scores[id]!);
      longest = Math.max(longest, [...piece].length);
    }
    this.#unknownScore = Math.fround(least - UNKNOWN_PENALTY);
    this.#longest = longest;
  }

  /**
   * The ids of the pieces; a run of unknown characters counts as one piece.
   * @param unknown the id of such a run; by default that of the unknown piece
   */
  encode(text: string, unknown: (run: string) => number = () => this.#unknownId): number[] {
    const characters = [...text];
    const steps: (Step | undefined)[] = [{ id: -1, start: -1, score: 0 }];
    const offer = (end: number, id: number, start: number, pieceScore: number) => {
      const score = Math.fround(steps[start]!.score + pieceScore);
      const known = steps[end];
      if (known === undefined || score > known.score) steps[end] = { id, start, score };
    };
    for (let start = 0; start < characters.length; start++) {
      const last = Math.min(characters.length, start + this.#longest);
      let piece = "";
      let hasSingle = false;
      for (let end = start + 1; end <= last; end++) {
        piece += characters[end - 1];
        const id = this.#ids.get(piece);
        if (id === undefined) continue;
        offer(end, id, start, this.#scores[id]!);
        hasSingle ||= end === start + 1;
      }
      if (!hasSingle) offer(start + 1, this.#unknownId, start, this.#unknownScore);
    }
    const ids: number[] = [];
    for (let end = characters.length; end > 0; ) {
      const { id } = steps[end]!;
      let { start } = steps[end]!;
      if (id !== this.#unknownId) ids.push(id);
      else {
        while (start > 0 && steps[start]!.id === id) start = steps[start]!.start;
        ids.push(unknown(characters.slice(start, end).join("")));
      }
      end = start;
    }
    return ids.reverse();
  }
}
