/** Whether a value is an object with members that can be asked for. */
export function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null;
}

/** A member of a value that may not have it. */
export function property(value: unknown, key: PropertyKey): unknown {
  return isRecord(value) ? value[key] : undefined;
}

/** A member that is a text, or undefined. */
export function stringProperty(value: unknown, key: PropertyKey): string | undefined {
  const found = property(value, key);
  return typeof found === "string" ? found : undefined;
}
