// In JavaScript, as the types of an older TypeScript would bring their own declarations of the DOM.
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
/** The newest has no API. */
export const OLDER_TYPESCRIPT = createRequire(require.resolve("@arethetypeswrong/core")).resolve("typescript");
const ts = require(OLDER_TYPESCRIPT);
const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "dist") + sep;

/**
 * How many optional properties there are in everything that callers can pass to what `entries` export, and which of them
 * do not take undefined.
 * @param {string[]} entries
 * @returns {{ checked: number, without: string[] }}
 */
export function optionsWithoutUndefined(entries) {
  const program = ts.createProgram(entries, {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
  });
  const checker = program.getTypeChecker();
  const found = new Map();
  const seen = new Set();

  /** What a caller gives: the properties of our own types, and what is in them. */
  function visitInput(type) {
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) type.types.forEach(visitInput);
    for (const argument of checker.getTypeArguments(type)) visitInput(argument);
    for (const property of checker.getPropertiesOfType(type)) {
      const declarations = property.declarations?.filter(isOurs) ?? [];
      if (declarations.length === 0) continue;
      const place = `${declarations[0].getSourceFile().fileName.slice(DIST.length)}: ${property.name}`;
      if (property.flags & ts.SymbolFlags.Optional && !(property.flags & ts.SymbolFlags.Method)) {
        found.set(place, takesUndefined(checker.getTypeOfSymbol(property)));
      }
      visitInput(checker.getTypeOfSymbol(property));
    }
  }

  /** What callers call: functions, constructors and the methods of classes. */
  function visitCalls(type) {
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
      for (const parameter of signature.parameters) visitInput(checker.getTypeOfSymbol(parameter));
    }
  }

  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry));
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (!(symbol.flags & ts.SymbolFlags.Value)) continue;
      const value = checker.getTypeOfSymbol(symbol);
      const instance = symbol.flags & ts.SymbolFlags.Class ? checker.getDeclaredTypeOfSymbol(symbol) : undefined;
      visitCalls(value);
      for (const holder of [value, instance]) {
        for (const member of holder ? checker.getPropertiesOfType(holder) : []) {
          if (member.declarations?.some(isOurs)) visitCalls(checker.getTypeOfSymbol(member));
        }
      }
    }
  }
  return { checked: found.size, without: [...found].filter(([, named]) => !named).map(([place]) => place) };
}

const isOurs = (declaration) => declaration.getSourceFile().fileName.startsWith(DIST);

/** A property that may be missing has a type of that kind too, which is not `undefined` under exactOptionalPropertyTypes. */
function takesUndefined(type) {
  const members = type.isUnion() ? type.types : [type];
  return members.some((member) => {
    const { flags, debugIntrinsicName } = member;
    return (
      flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown) ||
      (flags & ts.TypeFlags.Undefined && debugIntrinsicName !== "missing")
    );
  });
}
