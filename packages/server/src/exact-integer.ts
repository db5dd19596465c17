/** A whole number is beyond 2^53 - 1, the most that JSON and JavaScript carry exactly. */
export class InexactNumberError extends RangeError {
  override readonly name = "InexactNumberError";
}

/**
 * A sum as it is answered: as a number, which beyond 2^53 - 1 is the nearest one and has the exact sum beside it as a
 * decimal text. No sum is too large for that.
 *
 * @param sum a whole number as the database writes it
 */
export function summedQuantity(sum: string): { quantity: number; quantityDecimal?: string } {
  const quantity = Number(sum);
  return Number.isSafeInteger(quantity) ? { quantity } : { quantity, quantityDecimal: sum };
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
