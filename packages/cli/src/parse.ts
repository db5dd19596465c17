import { InvalidArgumentError } from "commander";

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      most === Number.MAX_SAFE_INTEGER
        ? `It is a whole number, ${least} or more.`
        : `It is a whole number from ${least} to ${most}.`,
    );
  };
}

/** Reads a whole number with or without a sign. */
export function signedNumber(text: string): number {
  const value = Number(text);
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(value) && value !== 0) return value;
  throw new InvalidArgumentError("It is a whole number other than 0, such as -40.");
}

const SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Reads a time such as `90`, `90s`, `15m`, `1h` or `30d`, in seconds. */
export function duration(text: string): number {
  const [, digits, unit = ""] = /^(\d+)([smhd]?)$/.exec(text) ?? [];
  const seconds = SECONDS[unit];
  if (digits !== undefined && seconds !== undefined && Number(digits) > 0) return Number(digits) * seconds;
  throw new InvalidArgumentError("It is a number of seconds, or a time such as 15m, 1h or 30d.");
}

/** Collects an option that may be given several times. */
export function collect(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

/** Collects `key=value` options. */
export function keyValue(
  text: string,
  previous: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Write key=value.");
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Reads a day such as `2026-12-01`, which the API takes for one in the account's time zone, or a moment. */
export function dateOrMoment(text: string): string {
  return /^\d{4}-\d\d-\d\d$/.test(text) ? text : moment(text);
}

/** Reads a moment, as ISO 8601. */
export function moment(text: string): string {
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError("It is a time in ISO 8601, for example 2026-12-01T00:00:00Z.");
  }
  return at.toISOString();
}
