/**
 * Returns the whole number at a JSON pointer (RFC 6901).
 *
 * @throws Error where there is something else; undefined where there is nothing
 */
export function quantityAt(value: unknown, pointer: string): number | undefined {
  const found = valueAt(value, pointer);
  if (found === undefined || typeof found === "number") return found;
  throw new Error(`${pointer} is no number`);
}

function valueAt(value: unknown, pointer: string): unknown {
  let here = value;
  for (const token of pointer.split("/").slice(1)) {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = Reflect.get(here, key);
  }
  return here;
}
