interface SummedQuantity {
  readonly quantity: number;
  readonly quantityDecimal?: string | undefined;
}

/** A summed quantity to the last unit, also where it is more than a number holds. */
export function shownQuantity({ quantity, quantityDecimal }: SummedQuantity): number | bigint {
  return quantityDecimal === undefined ? quantity : BigInt(quantityDecimal);
}
