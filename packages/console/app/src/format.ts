import type { Price } from "@licentric/contract";

/** A number as the API has it: a decimal text is exact, however large. */
type Numeric = number | string;

const asNumber = (value: Numeric) => value as Intl.StringNumericLiteral;

const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const name = JSON.stringify(options);
  const kept = formats.get(name) ?? new Intl.NumberFormat(undefined, options);
  formats.set(name, kept);
  return kept;
}

/** An amount of money, rounded as it is on an invoice. */
export function money(amount: string, currency: string): string {
  return numberFormat({ style: "currency", currency: currency.toUpperCase() }).format(asNumber(amount));
}

/** A price of one unit, with all of its decimals. */
export function unitPrice(amount: string, currency: string): string {
  const options = { style: "currency", currency: currency.toUpperCase(), maximumFractionDigits: 12 } as const;
  return numberFormat(options).format(asNumber(amount));
}

/** A whole number with the reader's separators. */
export function whole(value: Numeric): string {
  return numberFormat({ maximumFractionDigits: 0 }).format(asNumber(value));
}

/** A whole number with its sign: +7. */
export function signed(value: Numeric): string {
  return numberFormat({ maximumFractionDigits: 0, signDisplay: "always" }).format(asNumber(value));
}

/** A short number, for an axis: 12K. */
export function short(value: number): string {
  return numberFormat({ notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** A sum, exact also where it is larger than a number holds. */
export function sum(of: {
  readonly quantity: number;
  readonly quantityDecimal?: string | undefined;
}): string {
  return whole(of.quantityDecimal ?? of.quantity);
}

/** Adds decimal texts exactly. */
export function addDecimals(amounts: readonly string[]): string {
  const decimals = Math.max(0, ...amounts.map((amount) => (amount.split(".")[1] ?? "").length));
  const scaled = amounts.map((amount) => {
    const [units = "0", parts = ""] = amount.split(".");
    return BigInt(units + parts.padEnd(decimals, "0"));
  });
  const digits = scaled
    .reduce((total, one) => total + one, 0n)
    .toString()
    .padStart(decimals + 1, "0");
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/** A moment, in the account's time zone. */
export function moment(at: string | Date, timeZone: string): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone }).format(
    new Date(at),
  );
}

/** A moment to the second, with its time zone. */
export function exactMoment(at: string | Date, timeZone: string): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long", timeZone }).format(
    new Date(at),
  );
}

/** A day, in the account's time zone. */
export function day(at: string | Date, timeZone: string): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone }).format(new Date(at));
}

/** A month, in the account's time zone: November 2026. */
export function month(at: string | Date, timeZone: string): string {
  return new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone }).format(
    new Date(at),
  );
}

/** The moments at which the next months begin, in a time zone: of the coming one first. */
export function nextMonths(count: number, timeZone: string, now = new Date()): Date[] {
  const { year, month } = partsOf(now, timeZone);
  return Array.from({ length: count }, (_, index) => {
    const midnight = Date.UTC(year, month + index, 1);
    // The offset at midnight in UTC may be another one than at midnight there: a change of clocks lies between them.
    const guess = midnight - offsetAt(midnight, timeZone);
    return new Date(midnight - offsetAt(guess, timeZone));
  });
}

/** Milliseconds by which a time zone's clocks are ahead of UTC. */
function offsetAt(at: number, timeZone: string): number {
  const { year, month, day: date, hour, minute, second } = partsOf(new Date(at), timeZone);
  return Date.UTC(year, month - 1, date, hour, minute, second) - Math.floor(at / 1_000) * 1_000;
}

function partsOf(at: Date, timeZone: string) {
  const options = { year: "numeric", month: "numeric", day: "numeric" } as const;
  const time = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;
  const parts = new Intl.DateTimeFormat("en-US", { ...options, ...time, timeZone }).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((one) => one.type === type)?.value);
  return {
    year: part("year"),
    month: part("month"),
    day: part("day"),
    hour: part("hour"),
    minute: part("minute"),
    second: part("second"),
  };
}

/** The distance of a moment from now: 3 minutes ago. */
export function ago(at: string, now = Date.now()): string {
  const seconds = (Date.parse(at) - now) / 1_000;
  const [unit, size] = UNITS.find(([, least]) => Math.abs(seconds) >= least) ?? (["second", 1] as const);
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  return format.format(Math.round(seconds / size), unit);
}

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** A price in one line. */
export function priceText(price: Price, currency: string, unit: string): string {
  switch (price.model) {
    case "per_unit":
      return `${unitPrice(price.unitPrice, currency)} per ${unit}`;
    case "package":
      return `${unitPrice(price.packagePrice, currency)} per ${whole(price.packageSize)}`;
    default: {
      const first = price.tiers[0]?.unitPrice ?? "0";
      const name = price.model === "graduated" ? "graduated" : "by volume";
      return `${price.tiers.length} tiers, ${name}, from ${unitPrice(first, currency)}`;
    }
  }
}
