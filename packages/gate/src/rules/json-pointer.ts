import { foldKey } from "../message/json-spans.ts";

/**
 * Returns the whole number at a JSON pointer (RFC 6901).
 *
 * @throws Error where there is something else, or a key in another case, which some servers take for the same; undefined where
 *   there is nothing
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
    if (typeof here !== "object" || here === null) return undefined;
    if (!Object.hasOwn(here, key)) return refuseOtherCase(here, key);
    here = Reflect.get(here, key);
  }
  return here;
}

function refuseOtherCase(value: object, key: string): undefined {
  const other = Object.keys(value).find((own) => foldKey(own) === foldKey(key));
  if (other !== undefined) throw new Error(`${JSON.stringify(other)} is written ${JSON.stringify(key)}`);
}
