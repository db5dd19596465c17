const ids = new WeakMap<object, number>();
let count = 0;

/** Names functions by their identity and not by their source, in this process alone. Anything else counts for nothing. */
export function identityOf(...parts: readonly unknown[]): string {
  return parts.map((part) => (typeof part === "function" ? idOf(part) : "")).join(" ");
}

function idOf(value: object): number {
  const id = ids.get(value) ?? ++count;
  ids.set(value, id);
  return id;
}
