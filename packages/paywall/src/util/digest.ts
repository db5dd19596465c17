import { createHash } from "node:crypto";

/**
 * A value as JSON with its members in one order, so that equal values have equal texts. What JSON has no word for
 * is named by its type; maps and sets, which a schema may make of arguments, by what is in them.
 */
export function canonicalJson(value: unknown): string {
  const text = JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === "bigint") return `bigint:${inner}`;
    if (inner instanceof Map || inner instanceof Set) return [inner.constructor.name, ...inner];
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
  return text ?? typeof value;
}

/** SHA-256 of the parts, in hexadecimal. No two lists of parts run into one another. */
export function digest(...parts: readonly unknown[]): string {
  return createHash("sha256").update(canonicalJson(parts)).digest("hex");
}
