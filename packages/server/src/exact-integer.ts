/** A whole number is beyond 2^53 - 1, the most that JSON and JavaScript carry exactly. */
export class InexactNumberError extends RangeError {
  override readonly name = "InexactNumberError";
}

/**
 * The number that a text is. Counts, quantities and amounts must not become others unnoticed.
 *
 * @throws {InexactNumberError} when a number does not hold it exactly.
 */
export function exactInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new InexactNumberError(`${text} is beyond what a number holds exactly`);
  }
  return value;
}
