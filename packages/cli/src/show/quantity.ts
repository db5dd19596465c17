interface SummedQuantity {
  readonly quantity: number;
  readonly quantityDecimal?: string | undefined;
}

/** A summed quantity to the last unit, also where it is more than a number holds. */
export function shownQuantity({ quantity, quantityDecimal }: SummedQuantity): number | bigint {
  return quantityDecimal === undefined ? quantity : BigInt(quantityDecimal);
}

interface QuantityParts {
  readonly used: string;
  readonly adjusted: string;
  readonly carriedIn: string;
  readonly carriedOver: string;
}

/** The parts of a line's quantity, and its units that are free of charge; undefined where there is no more to say. */
export function shownDetails({
  parts,
  allowance,
}: {
  readonly parts?: QuantityParts | undefined;
  readonly allowance?: { readonly free: string } | undefined;
}): string | undefined {
  const told = [shownParts(parts), allowance && `${allowance.free} free`].filter(
    (part) => part !== undefined,
  );
  return told.length === 0 ? undefined : told.join(", ");
}

/** The parts of a quantity that adjustments have changed, in words; undefined where they have not. */
export function shownParts(parts: QuantityParts | undefined): string | undefined {
  if (parts === undefined) return undefined;
  const { used, adjusted, carriedIn, carriedOver } = parts;
  const told = [
    [used, "used"],
    [adjusted, "adjusted"],
    [carriedIn, "carried in"],
    [carriedOver, "carried over"],
  ] as const;
  return told
    .filter(([quantity, word]) => word === "used" || quantity !== "0")
    .map(([quantity, word]) => `${quantity} ${word}`)
    .join(", ");
}
