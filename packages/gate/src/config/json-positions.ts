import { findNodeAtLocation, type Node } from "jsonc-parser";

/** The place of something in a text, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Returns the place of an offset in a text. */
export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** Returns the offset of what is at a path, by its name where it has one; of what is nearest above it where it is missing. */
export function offsetOf(tree: Node, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = findNodeAtLocation(tree, path.slice(0, length));
    if (node === undefined) continue;
    return node.parent?.type === "property" ? node.parent.offset : node.offset;
  }
  return tree.offset;
}

/** A name that stands twice in one object: readers take one of the two, and not the same one. */
export interface Repeated {
  readonly name: string;
  readonly offset: number;
}

/** Returns the offset of the first `__proto__` in a document: as a name it would be lost, and what it says with it. */
export function protoIn(node: Node): number | undefined {
  const isName = node.parent?.type === "property" && node.parent.children?.[0] === node;
  if (isName && node.value === "__proto__") return node.offset;
  for (const child of node.children ?? []) {
    const found = protoIn(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the names that stand twice in an object, anywhere in a document. */
export function repeatedIn(node: Node): Repeated[] {
  const seen = new Set<unknown>();
  const own = (node.type === "object" ? (node.children ?? []) : []).flatMap(({ children, offset }) => {
    const name: unknown = children?.[0]?.value;
    const isRepeated = seen.has(name);
    seen.add(name);
    return isRepeated ? [{ name: String(name), offset }] : [];
  });
  return [...own, ...(node.children ?? []).flatMap(repeatedIn)];
}
