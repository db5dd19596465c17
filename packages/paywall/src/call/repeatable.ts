import { property } from "../util/record.ts";

/** Whether a value can be given twice: a stream, an iterator or a `Response` is used up by whoever gets it first. */
export function isRepeatable(value: unknown): boolean {
  return (
    !(value instanceof Response) &&
    !(value instanceof ReadableStream) &&
    !["pipe", "next"].some((name) => typeof property(value, name) === "function") &&
    typeof property(value, Symbol.asyncIterator) !== "function"
  );
}
