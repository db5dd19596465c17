import { createHash } from "node:crypto";
import { isRecord } from "./record.ts";

/** A piece of text, a value to be written, or the end of an object, which is inside of itself no more. */
type Piece = { readonly text: string } | { readonly value: unknown } | { readonly end: object };

/**
 * A value as JSON with its properties in one order, so that equal values have equal texts. What JSON has no word for
 * is named by its type; maps and sets, which a schema may make of arguments, by what is in them. However deep a value
 * is, it takes no more of the stack, and what is inside of itself is named and not followed.
 */
export function canonicalJson(value: unknown): string {
  let text = "";
  const within = new Set<object>();
  const pending: Piece[] = [{ value }];
  for (let piece = pending.pop(); piece !== undefined; piece = pending.pop()) {
    if ("text" in piece) text += piece.text;
    else if ("end" in piece) within.delete(piece.end);
    else {
      const next = readable(piece.value);
      if (!isRecord(next)) text += wordFor(next);
      else if (within.has(next)) text += '"circular"';
      else {
        within.add(next);
        pending.push({ end: next });
        for (const inner of piecesOf(next).reverse()) pending.push(inner);
      }
    }
  }
  return text;
}

/** A value as JSON would read it: a date, for one, says itself what it is written as. */
function readable(value: unknown): unknown {
  const toJson = isRecord(value) ? value["toJSON"] : undefined;
  return typeof toJson === "function" ? Reflect.apply(toJson, value, [""]) : value;
}

function wordFor(value: unknown): string {
  if (typeof value === "bigint") return JSON.stringify(`bigint:${value}`);
  return JSON.stringify(value) ?? typeof value;
}

/** The text of an object, with what is in it still to be written. */
function piecesOf(value: object): Piece[] {
  if (value instanceof Map || value instanceof Set) return listOf([value.constructor.name, ...value]);
  if (Array.isArray(value)) return listOf(value);
  const entries = Object.entries(value)
    .filter(([, inner]) => isJson(inner))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const pieces = entries.flatMap(([key, inner], index): Piece[] => [
    { text: `${index === 0 ? "" : ","}${JSON.stringify(key)}:` },
    { value: inner },
  ]);
  return [{ text: "{" }, ...pieces, { text: "}" }];
}

function listOf(values: readonly unknown[]): Piece[] {
  const pieces = Array.from(values, (inner, index): Piece[] => [
    { text: index === 0 ? "" : "," },
    { value: isJson(inner) ? inner : null },
  ]);
  return [{ text: "[" }, ...pieces.flat(), { text: "]" }];
}

/** Whether a value is written where it is part of another one: JSON leaves the others out. */
function isJson(value: unknown): boolean {
  return value !== undefined && typeof value !== "function" && typeof value !== "symbol";
}

/** SHA-256 of the parts, in hexadecimal. No two lists of parts run into one another. */
export function digest(...parts: readonly unknown[]): string {
  return createHash("sha256").update(canonicalJson(parts)).digest("hex");
}
