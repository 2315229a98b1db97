/**
 * The name of the method that `await using` calls. A vm context of Node 20 lacks the symbol; there, what compiles
 * `await using` (esbuild, Babel, Oxc) calls the method of this name instead.
 */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
