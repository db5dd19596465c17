/** Returns whether a value is an object whose properties can be read. */
export function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null;
}

/** Returns a property of a value that may not have it. */
export function property(value: unknown, key: PropertyKey): unknown {
  return isRecord(value) ? value[key] : undefined;
}

/** Returns a property that is a string, or undefined. */
export function stringProperty(value: unknown, key: PropertyKey): string | undefined {
  const found = property(value, key);
  return typeof found === "string" ? found : undefined;
}

/** Returns whether a value has all of these functions. */
export function hasFunctions(value: unknown, ...names: readonly string[]): boolean {
  return names.every((name) => typeof property(value, name) === "function");
}
