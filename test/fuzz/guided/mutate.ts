/** What is known of a format beforehand. */
export interface Dictionary {
  /** Words of the format. */
  tokens: readonly Buffer[];
  /** Words that open something and close it. */
  pairs: readonly (readonly [Buffer, Buffer])[];
}

/** Nothing is made longer than this. */
export const MAX_LENGTH = 32_768;

/** Numbers at which programs go wrong. */
const NUMBERS = [
  0n,
  1n,
  2n,
  7n,
  8n,
  64n,
  127n,
  128n,
  255n,
  256n,
  1000n,
  32_767n,
  32_768n,
  65_535n,
  65_536n,
  ...[31n, 32n, 53n, 63n, 64n].flatMap((bits) => [(1n << bits) - 1n, 1n << bits]),
];

/** Makes inputs of others, at random. */
export class Mutator {
  readonly #random: () => number;
  readonly #dictionary: Dictionary;

  constructor(random: () => number, dictionary: Dictionary) {
    this.#random = random;
    this.#dictionary = dictionary;
  }

  /** A changed copy; parts of `other` may get in. */
  mutate(input: Buffer, other: Buffer): Buffer {
    let bytes = input;
    // Mostly one: of two, the other one spoils most of what was valid.
    for (let changes = this.#below(2) === 0 ? 1 : 1 + this.#below(4); changes > 0; changes--) {
      const changed = this.#pick(this.#changes)(bytes, other);
      if (changed.length <= MAX_LENGTH) bytes = changed;
    }
    return bytes;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }

  /** `bytes` with other bytes in the place of those from `from` to `to`. */
  #replace(bytes: Buffer, from: number, to: number, by: Buffer): Buffer {
    return Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(to)]);
  }

  /** A place between two bytes, seldom within a word: a name with a letter more is refused before anything else is. */
  #place(bytes: Buffer): number {
    const isLetter = (at: number) => /[\w.]/.test(String.fromCharCode(bytes[at] ?? 0));
    for (let attempt = 0; ; attempt++) {
      const at = this.#below(bytes.length + 1);
      if (attempt === 4 || !(isLetter(at - 1) && isLetter(at))) return at;
    }
  }

  /** A part of some bytes, mostly a short one. */
  #range(bytes: Buffer): [from: number, to: number] {
    const from = this.#place(bytes);
    const most = this.#below(8) === 0 ? bytes.length : 32;
    return [from, from + this.#below(Math.min(most, bytes.length - from) + 1)];
  }

  /** A string, a number or a list, as text has them. */
  #literal(bytes: Buffer): [from: number, to: number] {
    const literals = [...bytes.toString("latin1").matchAll(/"[^"]*"|-?\d+|\[[^[\]]*\]/g)];
    if (literals.length === 0) return this.#range(bytes);
    const { 0: literal, index } = this.#pick(literals);
    return [index, index + literal.length];
  }

  #noise(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#below(256)));
  }

  /** A number of 1 to 8 bytes, of either byte order. */
  #integer(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, this.#pick(NUMBERS)));
    const part = bytes.subarray(0, this.#pick([1, 2, 4, 8]));
    return this.#below(4) === 0 ? part.reverse() : part;
  }

  #decimal(): Buffer {
    const digits = this.#pick(NUMBERS).toString();
    return Buffer.from(this.#pick([digits, digits, digits, `-${digits}`, `${digits}.5`, `${digits}e9`, "1e999"]));
  }

  readonly #changes: readonly ((bytes: Buffer, other: Buffer) => Buffer)[] = [
    (bytes) => {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[this.#place(copy) % copy.length]! ^= 1 << this.#below(8);
      return copy;
    },
    (bytes) => {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[this.#place(copy) % copy.length] = this.#below(256);
      return copy;
    },
    // Noise in, something out, something twice.
    (bytes) => {
      const at = this.#place(bytes);
      return this.#replace(bytes, at, at, this.#noise(1 + this.#below(8)));
    },
    (bytes) => this.#replace(bytes, ...this.#range(bytes), Buffer.alloc(0)),
    (bytes) => {
      const [from, to] = this.#range(bytes);
      // Now and then very often: what recurses or is quadratic shows then.
      const times = this.#below(16) === 0 ? 1 << this.#below(14) : 1 + this.#below(3);
      if ((to - from) * times > MAX_LENGTH) return bytes;
      return this.#replace(bytes, to, to, Buffer.concat(Array(times).fill(bytes.subarray(from, to))));
    },
    // Words, numbers, and parts of another input, in between or in the place of something.
    (bytes) => this.#put(bytes, this.#pick(this.#dictionary.tokens)),
    (bytes) => this.#put(bytes, this.#integer()),
    (bytes, other) => this.#put(bytes, other.subarray(...this.#range(other))),
    (bytes) => {
      const numbers = [...bytes.toString("latin1").matchAll(/\d+/g)];
      if (numbers.length === 0) return bytes;
      const { 0: digits, index } = this.#pick(numbers);
      return this.#replace(bytes, index, index + digits.length, this.#decimal());
    },
    (bytes) => {
      if (this.#dictionary.pairs.length === 0) return bytes;
      const [open, close] = this.#pick(this.#dictionary.pairs);
      const times = this.#below(4) === 0 ? 1 << this.#below(14) : 1;
      if ((open.length + close.length) * times > MAX_LENGTH) return bytes;
      const [from, to] = this.#below(2) === 0 ? this.#literal(bytes) : this.#range(bytes);
      const middle = bytes.subarray(from, to);
      const wrapped = [...Array(times).fill(open), middle, ...Array(times).fill(close)];
      return this.#replace(bytes, from, to, Buffer.concat(wrapped));
    },
  ];

  #put(bytes: Buffer, what: Buffer): Buffer {
    const at = this.#place(bytes);
    return this.#replace(bytes, at, this.#below(2) === 0 ? at : Math.min(bytes.length, at + what.length), what);
  }
}
