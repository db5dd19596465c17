import { hash } from "node:crypto";
import { readKnown } from "./known-types.ts";
import { isRecord } from "./record.ts";

/** A digest, and what it does not tell. */
export interface Fingerprint {
  /** SHA-256 in hexadecimal; the same in every process. */
  readonly digest: string;
  /**
   * Names what the digest cannot tell from others (functions, streams, instances of classes that may hold more than they
   * show), in this process alone; left out where there is none of it.
   */
  readonly opaque?: string;
}

/** A string, a value to be written, or the end of an object, which is inside of itself no more. */
type Piece = { readonly text: string } | { readonly value: unknown } | { readonly end: object };

/**
 * Returns the digest of the parts, with what it cannot tell apart beside it. No two lists of parts that differ have the
 * same fingerprint.
 *
 * Our own: object-hash, ohash and `v8.serialize` take 0 for -0, or instances of one class, or search parameters, for one
 * another; the first two write functions by their texts, and the last one depends on the order of properties.
 */
export function fingerprint(...parts: readonly unknown[]): Fingerprint {
  const { text, opaque } = write(parts);
  let known: string | undefined;
  // Most calls need to have been read, and nothing of what that came to.
  const digest = () => (known ??= sha256(text));
  if (opaque.length > 0) return { digest: digest(), opaque: opaque.join() };
  return {
    get digest() {
      return digest();
    },
  };
}

/** SHA-256 of the parts, in hexadecimal. What is opaque is equal to itself alone, and in this process. */
export function digest(...parts: readonly unknown[]): string {
  const { text, opaque } = write(parts);
  return sha256(opaque.length === 0 ? text : `${text}${opaque.join()}`);
}

function sha256(text: string): string {
  return hash("sha256", text, "hex");
}

/**
 * Writes a value as JSON with its properties in one order, and what JSON cannot tell apart with a tag that no JSON
 * begins with. However deep a value is, it takes no more of the stack, and what is inside of itself is not followed.
 */
function write(root: unknown): { readonly text: string; readonly opaque: readonly number[] } {
  let text = "";
  const opaque: number[] = [];
  const within = new Map<object, number>();
  const pending: Piece[] = [{ value: root }];
  for (let piece = pending.pop(); piece !== undefined; piece = pending.pop()) {
    if ("text" in piece) text += piece.text;
    else if ("end" in piece) within.delete(piece.end);
    else {
      const { value } = piece;
      const depth = isRecord(value) ? within.get(value) : undefined;
      const word = depth === undefined ? wordFor(value) : `!circular:${depth}`;
      const pieces = isRecord(value) && word === undefined ? piecesOf(value) : undefined;
      if (word !== undefined) text += word;
      else if (pieces === undefined) {
        text += "!opaque";
        // Whatever is neither a word nor made of pieces has an identity.
        opaque.push(identityOf(value as WeakKey));
      } else {
        const object = value as object;
        within.set(object, within.size);
        pending.push({ end: object });
        for (const inner of pieces.reverse()) pending.push(inner);
      }
    }
  }
  return { text, opaque };
}

const identities = new WeakMap<WeakKey, number>();
let identified = 0;

function identityOf(value: WeakKey): number {
  const known = identities.get(value) ?? ++identified;
  identities.set(value, known);
  return known;
}

/** Writes a value that is made of nothing else; undefined where it is, or is opaque. */
function wordFor(value: unknown): string | undefined {
  switch (typeof value) {
    case "number":
      if (Object.is(value, -0)) return "-0";
      return Number.isFinite(value) ? String(value) : `!${value}`;
    case "bigint":
      return `!bigint:${value}`;
    case "symbol": {
      const key = Symbol.keyFor(value);
      return key === undefined ? undefined : `!symbol:${JSON.stringify(key)}`;
    }
    case "undefined":
      return "!undefined";
    case "function":
      return undefined;
    case "object":
      return value === null ? "null" : undefined;
    default:
      return JSON.stringify(value);
  }
}

/** Returns the string of an object, with what is in it still to be written; undefined where it is opaque. */
function piecesOf(value: object): Piece[] | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return [{ text: "!null" }, ...propertiesOf(value, Reflect.ownKeys(value))];
  if (Array.isArray(value)) return Array.isArray(prototype) ? elementsOf(value) : undefined;
  if (isOfObjects(prototype)) return propertiesOf(value, Reflect.ownKeys(value));
  const known = readKnown(value, prototype);
  if (known === undefined) return undefined;
  return [
    { text: `!${known.name}(` },
    { value: known.content },
    ...(known.keys.length === 0 ? [] : propertiesOf(value, known.keys)),
    { text: ")" },
  ];
}

/** Returns whether a prototype is that of plain objects, in this realm or another one. */
function isOfObjects(prototype: unknown): boolean {
  return (
    prototype === Object.prototype ||
    (isRecord(prototype) &&
      Object.getPrototypeOf(prototype) === null &&
      Object.hasOwn(prototype, "isPrototypeOf"))
  );
}

function elementsOf(value: readonly unknown[]): Piece[] {
  const keys = Reflect.ownKeys(value);
  // Its length comes behind all of its elements, and before whatever else it has.
  const isList = keys.length === value.length + 1 && keys[value.length] === "length";
  if (!isList) return [{ text: "!Array" }, ...propertiesOf(value, keys)];
  const pieces: Piece[] = [{ text: "[" }];
  for (const [index, element] of value.entries()) {
    if (index > 0) pieces.push({ text: "," });
    pieces.push({ value: element });
  }
  pieces.push({ text: "]" });
  return pieces;
}

function propertiesOf(value: object, keys: readonly PropertyKey[]): Piece[] {
  const named = keys.filter((key) => typeof key === "string").sort();
  const symbols = keys.filter((key) => typeof key === "symbol");
  const pieces: Piece[] = [{ text: "{" }];
  for (const [index, key] of [...named, ...symbols].entries()) {
    if (index > 0) pieces.push({ text: "," });
    if (!Object.prototype.propertyIsEnumerable.call(value, key)) pieces.push({ text: "!hidden:" });
    pieces.push({ value: key }, { text: ":" }, { value: Reflect.get(value, key) });
  }
  pieces.push({ text: "}" });
  return pieces;
}
