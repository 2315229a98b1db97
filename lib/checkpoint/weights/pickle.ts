import { invalidModel } from "../invalid.js";
import { findGlobal, findStorage } from "./pickle-globals.js";
import {
  PickleDict,
  PickleFunction,
  PickleList,
  PickleModule,
  PickleModuleClass,
  PickleTuple,
  type PickleValue,
} from "./pickle-values.js";

/** Maximum number of values on the stack; `torch.save` sets entries in batches of 1000. */
const MAX_STACK = 100_000;

/** Maximum number of memoized values; a state dict memoizes about eight for each tensor, with consecutive indices. */
const MAX_MEMO = 1_000_000;

/** Maximum length of a module or class name, in bytes. */
const MAX_NAME_BYTES = 200;

/**
 * Reads a pickle that uses the part of the format needed by `torch.save` of a state dict and by TorchScript archives.
 * Nothing is executed: a pickle is a program, but only instructions that assemble plain values are implemented, and
 * only the names in pickle-globals can be used. Memory and time are bounded by the length of the pickle.
 *
 * @throws ClipBlipError ERR_MODEL_INVALID that tells which instruction or name was rejected
 */
export function readPickle(bytes: Buffer): PickleValue {
  return new PickleMachine(bytes).run();
}

class PickleMachine {
  readonly #bytes: Buffer;
  #position = 0;
  readonly #stack: PickleValue[] = [];
  /** Stack heights at which unfinished tuples or batches of entries began. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  run(): PickleValue {
    for (;;) {
      const at = this.#position;
      const opcode = this.#take(1).readUInt8();
      if (opcode === OPCODES.STOP) return this.#pop();
      const instruction = INSTRUCTIONS.get(opcode);
      if (instruction === undefined) {
        throw invalidModel(
          `The pickle has the instruction 0x${opcode.toString(16).padStart(2, "0")} at byte ${at}, which model weights do not need: the file is rejected`,
        );
      }
      instruction.call(this);
    }
  }

  /** The next bytes of the pickle. */
  #take(length: number): Buffer {
    const end = this.#position + length;
    if (end > this.#bytes.length) throw invalidModel("The pickle is truncated: download the file again");
    const taken = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return taken;
  }

  #takeLine(): string {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    if (end < 0 || end - this.#position > MAX_NAME_BYTES) throw invalidModel("The pickle has a name without an end");
    const line = this.#take(end - this.#position).toString("utf8");
    this.#position++;
    return line;
  }

  #push(value: PickleValue): void {
    if (this.#stack.length >= MAX_STACK)
      throw invalidModel(`The pickle puts more than ${MAX_STACK} values on its stack`);
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    const floor = this.#marks.at(-1) ?? 0;
    if (this.#stack.length <= floor) throw invalidModel("The pickle pops from an empty stack");
    return this.#stack.pop()!;
  }

  /** Removes the last mark and returns everything above it. */
  #popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw invalidModel("The pickle lacks a mark");
    return this.#stack.splice(mark);
  }

  protocol(): void {
    const version = this.#take(1).readUInt8();
    if (version !== 2) throw invalidModel(`The pickle has protocol ${version}, expected 2`);
  }

  mark(): void {
    if (this.#marks.length >= MAX_STACK) throw invalidModel("The pickle is nested too deeply");
    this.#marks.push(this.#stack.length);
  }

  pushNone(): void {
    this.#push(null);
  }

  pushTrue(): void {
    this.#push(true);
  }

  pushFalse(): void {
    this.#push(false);
  }

  pushUint8(): void {
    this.#push(this.#take(1).readUInt8());
  }

  pushUint16(): void {
    this.#push(this.#take(2).readUInt16LE());
  }

  pushInt32(): void {
    this.#push(this.#take(4).readInt32LE());
  }

  /** A longer integer: offsets and sizes of storages above 2^31. */
  pushLong(): void {
    const bytes = this.#take(this.#take(1).readUInt8());
    let value = 0n;
    for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    const number = Number(BigInt.asIntN(Math.max(1, bytes.length * 8), value));
    if (!Number.isSafeInteger(number)) throw invalidModel("The pickle has a number that is too large for a size");
    this.#push(number);
  }

  pushFloat(): void {
    this.#push(this.#take(8).readDoubleBE());
  }

  pushText(): void {
    this.#push(this.#take(this.#take(4).readUInt32LE()).toString("utf8"));
  }

  pushEmptyTuple(): void {
    this.#push(new PickleTuple([]));
  }

  pushTuple(): void {
    this.#push(new PickleTuple(this.#popToMark()));
  }

  pushTuple1(): void {
    this.#push(new PickleTuple([this.#pop()]));
  }

  pushTuple2(): void {
    const last = this.#pop();
    this.#push(new PickleTuple([this.#pop(), last]));
  }

  pushTuple3(): void {
    const last = this.#pop();
    const middle = this.#pop();
    this.#push(new PickleTuple([this.#pop(), middle, last]));
  }

  pushEmptyList(): void {
    this.#push(new PickleList());
  }

  append(): void {
    this.#pop();
    this.#assertList();
  }

  appendAll(): void {
    this.#popToMark();
    this.#assertList();
  }

  #assertList(): void {
    const list = this.#pop();
    if (!(list instanceof PickleList)) throw invalidModel("The pickle appends to something that is not a list");
    this.#push(list);
  }

  pushEmptyDict(): void {
    this.#push(new PickleDict());
  }

  setEntry(): void {
    const value = this.#pop();
    this.#setEntries([this.#pop(), value]);
  }

  setEntries(): void {
    this.#setEntries(this.#popToMark());
  }

  /** Adds alternating keys and values to the dict on top of the stack, which stays there. */
  #setEntries(items: PickleValue[]): void {
    const dict = this.#pop();
    if (!(dict instanceof PickleDict) || items.length % 2 !== 0)
      throw invalidModel("The pickle sets entries of something that is not a dict");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== "string" && typeof key !== "number")
        throw invalidModel("The pickle has a key that is neither a string nor a number");
      // Entries with numbers as keys are not tensors; a value may still be used through the memo.
      if (typeof key === "string") dict.entries.set(key, items[i + 1]!);
    }
    this.#push(dict);
  }

  putShort(): void {
    this.#put(this.#take(1).readUInt8());
  }

  putLong(): void {
    this.#put(this.#take(4).readUInt32LE());
  }

  #put(index: number): void {
    // Arbitrary indices could be chosen to collide in a Map: 33,000 of them take 300 times as long.
    if (index >= MAX_MEMO) throw invalidModel(`The pickle memoizes more than ${MAX_MEMO} values`);
    const value = this.#pop();
    this.#memo.set(index, value);
    this.#push(value);
  }

  getShort(): void {
    this.#get(this.#take(1).readUInt8());
  }

  getLong(): void {
    this.#get(this.#take(4).readUInt32LE());
  }

  #get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw invalidModel(`The pickle uses memo entry ${index}, which it never set`);
    this.#push(value);
  }

  pushGlobal(): void {
    const module = this.#takeLine();
    this.#push(findGlobal(module, this.#takeLine()));
  }

  pushStorage(): void {
    this.#push(findStorage(this.#pop()));
  }

  callFunction(): void {
    const args = this.#pop();
    const callee = this.#pop();
    if (!(callee instanceof PickleFunction) || !(args instanceof PickleTuple)) {
      throw invalidModel("The pickle calls something that is not a function");
    }
    this.#push(callee.call(args.items));
  }

  pushModule(): void {
    this.#pop();
    if (!(this.#pop() instanceof PickleModuleClass))
      throw invalidModel("The pickle creates an object that is not a module");
    this.#push(new PickleModule());
  }

  /** Attributes of a state dict are dropped: they only contain the versions of its modules. */
  setAttributes(): void {
    const attributes = this.#pop();
    const target = this.#pop();
    if (target instanceof PickleModule && attributes instanceof PickleDict) target.attributes = attributes.entries;
    else if (!(target instanceof PickleDict))
      throw invalidModel("The pickle sets attributes of something that has none");
    this.#push(target);
  }
}

/** Names of the instructions as in Python's pickletools. */
const OPCODES = {
  PROTO: 0x80,
  MARK: 0x28,
  NONE: 0x4e,
  NEWTRUE: 0x88,
  NEWFALSE: 0x89,
  BININT1: 0x4b,
  BININT2: 0x4d,
  BININT: 0x4a,
  LONG1: 0x8a,
  BINFLOAT: 0x47,
  BINUNICODE: 0x58,
  EMPTY_TUPLE: 0x29,
  TUPLE: 0x74,
  TUPLE1: 0x85,
  TUPLE2: 0x86,
  TUPLE3: 0x87,
  EMPTY_LIST: 0x5d,
  APPEND: 0x61,
  APPENDS: 0x65,
  EMPTY_DICT: 0x7d,
  SETITEM: 0x73,
  SETITEMS: 0x75,
  BINPUT: 0x71,
  LONG_BINPUT: 0x72,
  BINGET: 0x68,
  LONG_BINGET: 0x6a,
  GLOBAL: 0x63,
  BINPERSID: 0x51,
  REDUCE: 0x52,
  NEWOBJ: 0x81,
  BUILD: 0x62,
  STOP: 0x2e,
} as const;

const INSTRUCTIONS: ReadonlyMap<number, (this: PickleMachine) => void> = new Map([
  [OPCODES.PROTO, PickleMachine.prototype.protocol],
  [OPCODES.MARK, PickleMachine.prototype.mark],
  [OPCODES.NONE, PickleMachine.prototype.pushNone],
  [OPCODES.NEWTRUE, PickleMachine.prototype.pushTrue],
  [OPCODES.NEWFALSE, PickleMachine.prototype.pushFalse],
  [OPCODES.BININT1, PickleMachine.prototype.pushUint8],
  [OPCODES.BININT2, PickleMachine.prototype.pushUint16],
  [OPCODES.BININT, PickleMachine.prototype.pushInt32],
  [OPCODES.LONG1, PickleMachine.prototype.pushLong],
  [OPCODES.BINFLOAT, PickleMachine.prototype.pushFloat],
  [OPCODES.BINUNICODE, PickleMachine.prototype.pushText],
  [OPCODES.EMPTY_TUPLE, PickleMachine.prototype.pushEmptyTuple],
  [OPCODES.TUPLE, PickleMachine.prototype.pushTuple],
  [OPCODES.TUPLE1, PickleMachine.prototype.pushTuple1],
  [OPCODES.TUPLE2, PickleMachine.prototype.pushTuple2],
  [OPCODES.TUPLE3, PickleMachine.prototype.pushTuple3],
  [OPCODES.EMPTY_LIST, PickleMachine.prototype.pushEmptyList],
  [OPCODES.APPEND, PickleMachine.prototype.append],
  [OPCODES.APPENDS, PickleMachine.prototype.appendAll],
  [OPCODES.EMPTY_DICT, PickleMachine.prototype.pushEmptyDict],
  [OPCODES.SETITEM, PickleMachine.prototype.setEntry],
  [OPCODES.SETITEMS, PickleMachine.prototype.setEntries],
  [OPCODES.BINPUT, PickleMachine.prototype.putShort],
  [OPCODES.LONG_BINPUT, PickleMachine.prototype.putLong],
  [OPCODES.BINGET, PickleMachine.prototype.getShort],
  [OPCODES.LONG_BINGET, PickleMachine.prototype.getLong],
  [OPCODES.GLOBAL, PickleMachine.prototype.pushGlobal],
  [OPCODES.BINPERSID, PickleMachine.prototype.pushStorage],
  [OPCODES.REDUCE, PickleMachine.prototype.callFunction],
  [OPCODES.NEWOBJ, PickleMachine.prototype.pushModule],
  [OPCODES.BUILD, PickleMachine.prototype.setAttributes],
]);
