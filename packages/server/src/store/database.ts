/** Values that a query takes. JSON is passed as text and cast with `::jsonb`. */
export type SqlValue = string | number | boolean | Date | Uint8Array | null | readonly SqlValue[];

/** Something that runs SQL: the database, or one transaction in it. */
export interface Queryable {
  /**
   * Runs one statement. Column types come back the same from both drivers: `bigint` as number, `numeric` as
   * text, `timestamptz` as Date, `bytea` as Uint8Array, `jsonb` as value, `date` and `uuid` as text.
   *
   * @throws {DatabaseUnavailableError} when the database cannot be reached.
   * @throws {InexactNumberError} when a `bigint` is more than a number holds exactly.
   */
  query<Row>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
}

/** One database, embedded or PostgreSQL. */
export interface Database extends Queryable {
  readonly kind: "embedded" | "postgres";
  /** Directory of the embedded database; null for PostgreSQL. */
  readonly directory: string | null;
  /**
   * Runs `work` in one transaction: all of it is durable when the promise resolves, or none of it is. Where the
   * database has rolled it back for a reason that passes, `work` runs again from its beginning, so it does nothing but
   * query.
   */
  transaction<T>(work: (tx: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Counts the connections to PostgreSQL; the embedded database has none. */
  readonly connections?: () => ConnectionCounts;
  /** Runs a script of several statements, without values. */
  script(text: string): Promise<void>;
  /**
   * Runs one statement that is part of no transaction, such as `VACUUM` or `CREATE INDEX CONCURRENTLY`, for as long as
   * it takes.
   */
  maintain(statement: string): Promise<void>;
  /** Ends every connection, and frees the embedded database's directory for another process. */
  close(): Promise<void>;
}

/** Counts of the connections to PostgreSQL, and of what waits for one. */
export interface ConnectionCounts {
  /** The most that are kept. */
  readonly max: number;
  readonly open: number;
  readonly idle: number;
  /** Statements and transactions that wait for a free connection. */
  readonly waiting: number;
}

/** Options for a transaction. */
export interface TransactionOptions {
  /**
   * Milliseconds that each of its statements may take on PostgreSQL, 0 for as many as it needs; by default, those of
   * every other statement.
   */
  readonly queryTimeout?: number;
  /**
   * True where the first statements only read or lock, and one of them is waited for before anything is changed. Then
   * they are one round trip with the transaction's beginning. False by default.
   */
  readonly readsFirst?: boolean;
}

/**
 * The reason for which a database does nothing now: it cannot be reached (`unreachable`), takes no changes
 * (`read-only`), has no room left (`disk-full`), or did not come to an end with what it was asked for (`busy`).
 */
export type Unavailability = "unreachable" | "read-only" | "disk-full" | "busy";

/** A fault of the machine's, and of no request: the same request may succeed later. */
export class DatabaseUnavailableError extends Error {
  override readonly name = "DatabaseUnavailableError";
  readonly reason: Unavailability;

  constructor(
    message: string,
    { reason = "unreachable", cause }: { readonly reason?: Unavailability; readonly cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** The server cannot start with the database it was given; the message says what to do. */
export class DatabaseSetupError extends Error {
  override readonly name = "DatabaseSetupError";
}

/** The five-character SQLSTATE of a database error, if it is one. */
export function sqlState(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" && SQLSTATE.test(code) ? code : undefined;
}

/** Five characters, too, but no SQLSTATE: codes of the system's such as EPIPE and EBUSY. */
const SQLSTATE = /^(\d[0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}$/;

/** The name of a statement that has one: those that run often begin with it in a comment. */
export function statementName(text: string): string | undefined {
  return /^\s*\/\* ([\w-]+) \*\//.exec(text)?.[1];
}

/** The row of a statement that always returns exactly one. */
export function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`);
  return row;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NO_ROW_HAS_THIS_ID = "00000000-0000-0000-0000-000000000000";

/** Checks whether a string is a UUID: no other can be the id of a row. */
export function isUuid(id: string): boolean {
  return UUID.test(id);
}

/** An id from outside as a query's value: one that is not a UUID finds nothing, and causes no error. */
export function uuidParam(id: string): string {
  return isUuid(id) ? id : NO_ROW_HAS_THIS_ID;
}
