import { type Node, parseTree } from "jsonc-parser";
import { isRecord } from "./is-record.ts";

/**
 * Returns a message with another result in it. Whatever the new result has of the old one stays as it was written, to the
 * byte: numbers that no double holds, escapes, spaces.
 *
 * @param text - the message, a response with a result
 * @param before - what was parsed of its result
 * @param after - the new result, which shares what is unchanged with the old one
 */
export function withResult(text: string, before: unknown, after: unknown): string {
  const root = parseTree(text);
  const node = root && propertyOf(root, "result");
  if (node === undefined) throw new TypeError("a response without a result has none to change");
  return spliced(text, node, written(text, node, before, after));
}

function spliced(text: string, { offset, length }: Node, replacement: string): string {
  return text.slice(0, offset) + replacement + text.slice(offset + length);
}

function written(text: string, node: Node | undefined, before: unknown, after: unknown): string {
  if (node === undefined) return JSON.stringify(after);
  if (before === after) return text.slice(node.offset, node.offset + node.length);
  if (Array.isArray(before) && Array.isArray(after)) return writtenList(text, node, before, after);
  if (!isRecord(before) || !isRecord(after)) return JSON.stringify(after);
  const properties = Object.entries(after)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const own = Object.hasOwn(before, name) ? propertyOf(node, name) : undefined;
      return `${JSON.stringify(name)}:${written(text, own, before[name], value)}`;
    });
  return `{${properties.join(",")}}`;
}

function writtenList(
  text: string,
  node: Node,
  before: readonly unknown[],
  after: readonly unknown[],
): string {
  const nodes = node.children ?? [];
  const elements = after.map((element) => {
    const same = before.indexOf(element);
    const index = same === -1 ? before.findIndex((old) => isSameNamed(old, element)) : same;
    return written(text, nodes[index], before[index], element);
  });
  return `[${elements.join(",")}]`;
}

function isSameNamed(one: unknown, other: unknown): boolean {
  return isRecord(one) && isRecord(other) && one["name"] !== undefined && one["name"] === other["name"];
}

/** Of several properties with one name the last, as every parser in JavaScript takes it. */
function propertyOf(node: Node, name: string): Node | undefined {
  return node.children?.findLast(({ children }) => children?.[0]?.value === name)?.children?.[1];
}
