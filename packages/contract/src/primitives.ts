import * as z from "zod";
import {
  MAX_ID_LENGTH,
  MAX_METADATA_ENTRIES,
  MAX_METADATA_KEY_LENGTH,
  MAX_METADATA_VALUE_LENGTH,
  MAX_NAME_LENGTH,
  MAX_QUANTITY,
} from "./limits.ts";

/** Refuses what no database stores as text: NUL and halves of surrogate pairs. */
export function storable<Text extends z.ZodType<string>>(text: Text): Text {
  return text.check(z.regex(/^[^\0\p{Cs}]*$/u, "must be well-formed Unicode text without NUL characters"));
}

/**
 * An opaque resource id. Our server makes UUIDs; the hosted service's guides also show `acc_…` and `agt_…`,
 * so nothing may be read from the text of an id.
 */
export const Id = storable(z.string().min(1).max(MAX_ID_LENGTH)).meta({ description: "Opaque resource id." });

/** A moment as ISO 8601 in UTC with milliseconds, for example `2026-11-23T19:12:42.000Z`. */
export const Timestamp = z.iso
  .datetime({ offset: true })
  .refine((text) => /^(?!0000)\d{4}-/.test(toUtc(text)), "must lie between the years 1 and 9999 in UTC")
  .meta({ description: "ISO 8601, UTC." });

function toUtc(text: string): string {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString();
}

/**
 * The quantity that one event bills: a whole number of the meter's unit, from 1 to {@link MAX_QUANTITY}.
 *
 * Whole numbers keep every sum exact in JSON and in JavaScript. To bill parts of a unit, choose a smaller unit
 * for the meter (milliseconds, not seconds): a unit price has up to twelve decimals. Nothing to bill is said by
 * leaving the meter out, not by a zero.
 */
export const Quantity = z
  .int("quantity must be a whole number; to bill fractions, give the meter a smaller unit")
  .min(1, "quantity must be at least 1; to verify without metering, leave out meterName and quantity")
  .max(MAX_QUANTITY, `quantity must be at most ${MAX_QUANTITY}; send a larger amount as several events`)
  .meta({ description: `Whole number of units, 1 to ${MAX_QUANTITY}.` });

/** A count, or a sum that has a limit: a whole number that is always exact. */
export const QuantityTotal = z.int().min(0);

/**
 * A sum without a limit: a whole number, exact up to `Number.MAX_SAFE_INTEGER` and the nearest one beyond. A decimal
 * text beside it is exact there, so that no sum is ever too large to be told or billed.
 */
export const Sum = z
  .number()
  .min(0)
  .refine(Number.isInteger, "must be a whole number")
  .meta({ type: "integer" });

/** The members of whatever has a quantity that is summed over agents and days; {@link isToldExactly} goes with them. */
export const summedQuantity = {
  quantity: Sum.meta({
    description: "Whole number of units; beyond 2^53 - 1 the nearest number, and `quantityDecimal` is exact.",
  }),
  quantityDecimal: z
    .string()
    .regex(/^\d+$/)
    .optional()
    .meta({ description: "The exact quantity as a decimal text; there only where it is beyond 2^53 - 1." }),
};

/**
 * Returns true where a summed quantity is exact, or has the exact one beside it: none is rounded unnoticed.
 */
export function isToldExactly({
  quantity,
  quantityDecimal,
}: {
  readonly quantity: number;
  readonly quantityDecimal?: string | undefined;
}): boolean {
  return quantityDecimal === undefined
    ? Number.isSafeInteger(quantity)
    : Number(quantityDecimal) === quantity;
}

/** The issue of a quantity that is not {@link isToldExactly}. */
export const INEXACT_QUANTITY = {
  path: ["quantity"],
  message: "is more than a number holds exactly, and there is no quantityDecimal that says it",
};

/** A meter's name: 1 to 64 characters, lower-case letters, digits, `_`, `.`, `-`, beginning with a letter. */
export const MeterName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_.-]{0,63}$/,
    "a meter name is 1 to 64 characters: lower-case letters, digits, '_', '.', '-', beginning with a letter",
  );

/**
 * A permission of a credential, for example `mcp:invoke`: 1 to 100 printable characters without spaces or
 * quotes.
 */
export const Scope = z
  .string()
  .regex(
    /^[\x21\x23-\x5B\x5D-\x7E]{1,100}$/,
    "a scope is 1 to 100 printable characters without spaces, '\"' or '\\'",
  );

/** An amount of money or a unit price as a decimal text, never a floating-point number. */
export const Decimal = z
  .string()
  .regex(/^\d{1,15}(\.\d{1,12})?$/, 'an amount is a decimal text such as "0.0025", up to 12 decimals');

/** An amount that was computed: a decimal text of any length, exact however large it is. */
export const Money = z.string().regex(/^\d+(\.\d{1,12})?$/);

/** An ISO 4217 currency code in lower case, for example `usd`. */
export const Currency = z
  .string()
  .regex(/^[a-z]{3}$/, 'a currency is a three-letter ISO 4217 code in lower case, for example "usd"');

/** Up to 50 texts of the owner's own, kept with a resource and returned unchanged. */
export const Metadata = z
  .record(
    storable(z.string().min(1).max(MAX_METADATA_KEY_LENGTH)),
    storable(z.string().max(MAX_METADATA_VALUE_LENGTH)),
  )
  .refine(
    (entries) => Object.keys(entries).length <= MAX_METADATA_ENTRIES,
    `metadata holds at most ${MAX_METADATA_ENTRIES} entries`,
  );

/** A person's or an owner's name for a resource. */
export const DisplayName = storable(z.string().trim().min(1).max(MAX_NAME_LENGTH));

/** Names one request, so that its repetition does nothing twice: 1 to 255 printable ASCII characters. */
export const IdempotencyKey = z
  .string()
  .regex(/^[\x20-\x7E]{1,255}$/, "an idempotency key is 1 to 255 printable ASCII characters");

/** Test (sandbox) and live (production) data never mix. */
export const Mode = z.enum(["test", "live"]);

/** Test (sandbox) or live (production). */
export type Mode = z.infer<typeof Mode>;
