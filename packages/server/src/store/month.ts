/** A calendar month in UTC, as the partitions of events are cut. */
export interface Month {
  /** `YYYY-MM` */
  readonly name: string;
  readonly start: Date;
  /** The first moment after it. */
  readonly end: Date;
}

/** The month that a moment is in, or one that lies so many months after it. */
export function monthOf(time: Date, later = 0): Month {
  const [year, month] = [time.getUTCFullYear(), time.getUTCMonth() + later];
  const start = new Date(Date.UTC(year, month));
  return { name: start.toISOString().slice(0, 7), start, end: new Date(Date.UTC(year, month + 1)) };
}

/** The least id of version 7 that is made at a moment or after it. */
export function leastId(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** Returns the time at which a UUID of version 7 was made. */
export function timeOfId(id: string): Date {
  return new Date(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16));
}
