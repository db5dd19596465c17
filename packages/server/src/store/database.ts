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
  /** Where the embedded database is; null for PostgreSQL. */
  readonly directory: string | null;
  /** Runs `work` in one transaction: all of it is durable when the promise resolves, or none of it is. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Runs a script of several statements, without values. */
  script(text: string): Promise<void>;
  /** Ends every connection, and frees the embedded database's directory for another process. */
  close(): Promise<void>;
}

/** The database cannot be reached now; the same request may succeed later. */
export class DatabaseUnavailableError extends Error {
  override readonly name = "DatabaseUnavailableError";
}

/** The server cannot start with the database it was given; the message says what to do. */
export class DatabaseSetupError extends Error {
  override readonly name = "DatabaseSetupError";
}

/** The five-character SQLSTATE of a database error, if it is one. */
export function sqlState(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** The row of a statement that always returns exactly one. */
export function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`);
  return row;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NO_ROW_HAS_THIS_ID = "00000000-0000-0000-0000-000000000000";

/** Whether a text can be the id of a row at all. */
export function isUuid(id: string): boolean {
  return UUID.test(id);
}

/** An id from outside as a query's value: one that is no UUID finds nothing, and is no error of the database's. */
export function uuidParam(id: string): string {
  return isUuid(id) ? id : NO_ROW_HAS_THIS_ID;
}
