import { DEFAULT_METER_NAME, type Mode } from "@licentric/contract";
import type { Queryable } from "../store/database.ts";
import { onlyRow } from "../store/database.ts";

/** Account that owns agents, usage and invoices. */
export interface Account {
  readonly id: string;
  readonly name: string;
  /** ISO 4217, lower case. All prices and invoices of the account are in it. */
  readonly currency: string;
  /** IANA name. Billing periods are months in it. */
  readonly timeZone: string;
}

/** Properties of a new account. */
export interface NewAccount {
  readonly name: string;
  /** `usd` by default. */
  readonly currency?: string;
  /** `UTC` by default. */
  readonly timeZone?: string;
  /**
   * E-mail address to which the account's own invoices are sent, for agents that belong to no customer. None
   * by default.
   */
  readonly email?: string;
}

/**
 * Creates an account with its two environments, test and live, each with the meter `api_calls`.
 *
 * @throws {RangeError} when the currency or the time zone does not exist.
 */
export async function createAccount(
  db: Queryable,
  { name, currency = "usd", timeZone = "UTC", email }: NewAccount,
  { newId, now }: { newId: () => string; now: Date },
): Promise<Account> {
  if (!isCurrency(currency)) {
    throw new RangeError(`"${currency}" is not an ISO 4217 currency in lower case, such as "usd" or "eur".`);
  }
  if (!(await isTimeZone(db, timeZone))) throw new RangeError(`"${timeZone}" is not ${A_TIME_ZONE}`);

  const id = newId();
  await db.query(
    "INSERT INTO accounts (id, name, currency, time_zone, created_at) VALUES ($1, $2, $3, $4, $5)",
    [id, name, currency, timeZone, now],
  );
  for (const mode of ["test", "live"]) {
    const environmentId = newId();
    await db.query("INSERT INTO environments (id, account_id, mode) VALUES ($1, $2, $3)", [
      environmentId,
      id,
      mode,
    ]);
    if (email !== undefined) {
      await db.query("UPDATE environments SET email = $2 WHERE id = $1", [environmentId, email]);
    }
    await db.query(
      `INSERT INTO meters (id, environment_id, name, display_name, unit, metadata, created_at, updated_at)
       VALUES ($1, $2, $3, 'API calls', 'call', '{}', $4, $4)`,
      [newId(), environmentId, DEFAULT_METER_NAME, now],
    );
  }
  return { id, name, currency, timeZone };
}

/** All accounts, oldest first. */
export function listAccounts(db: Queryable): Promise<Account[]> {
  return db.query<Account>(`SELECT id, name, currency, time_zone AS "timeZone" FROM accounts ORDER BY id`);
}

/** An account in one mode: what every row of business data belongs to. */
export interface Environment {
  readonly id: string;
  readonly mode: Mode;
  readonly account: Account;
}

/** Reads the environment that a credential belongs to. */
export async function getEnvironment(db: Queryable, environmentId: string): Promise<Environment> {
  const row = onlyRow(
    await db.query<{
      id: string;
      mode: Mode;
      accountId: string;
      name: string;
      currency: string;
      timeZone: string;
    }>(
      `SELECT e.id, e.mode, a.id AS "accountId", coalesce(e.name, a.name) AS name,
         coalesce(e.currency, a.currency) AS currency, coalesce(e.time_zone, a.time_zone) AS "timeZone"
       FROM environments e JOIN accounts a ON a.id = e.account_id WHERE e.id = $1`,
      [environmentId],
    ),
  );
  return {
    id: row.id,
    mode: row.mode,
    account: { id: row.accountId, name: row.name, currency: row.currency, timeZone: row.timeZone },
  };
}

/** The id of an account's environment for a mode. */
export async function getEnvironmentId(db: Queryable, accountId: string, mode: Mode): Promise<string> {
  const rows = await db.query<{ id: string }>(
    "SELECT id FROM environments WHERE account_id = $1 AND mode = $2",
    [accountId, mode],
  );
  return onlyRow(rows).id;
}

/** Description of a valid time zone, for an error's sentence. */
export const A_TIME_ZONE =
  'an IANA time zone that this server and its database read alike: name a place, such as "Europe/Berlin".';

/** Checks whether a code is an ISO 4217 currency in lower case. */
export function isCurrency(code: string): boolean {
  return /^[a-z]{3}$/.test(code) && Intl.supportedValuesOf("currency").includes(code.toUpperCase());
}

/** A moment of winter and one of summer, north of the equator, of a year whose rules everybody knows. */
const PROBES = ["2020-01-15T12:00:00.000Z", "2020-07-15T12:00:00.000Z"];

/**
 * Checks whether a name is an IANA time zone, to this process and to the database: both compute with it.
 * PostgreSQL takes some names, such as CET, for abbreviations, which have no summer time: those do not count.
 */
export async function isTimeZone(db: Queryable, name: string): Promise<boolean> {
  let hours: string[];
  try {
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone: name,
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
    });
    hours = PROBES.map((probe) => {
      const parts = format.formatToParts(new Date(probe));
      return ["day", "hour", "minute"]
        .map((type) => parts.find((part) => part.type === type)?.value)
        .join(":");
    });
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
  const [known] = await db.query<{ hours: string[] }>(
    `SELECT ARRAY(
       SELECT to_char(probe AT TIME ZONE $1, 'DD:HH24:MI') FROM unnest($2::timestamptz[]) WITH ORDINALITY p (probe, n) ORDER BY n
     ) AS hours
     FROM pg_timezone_names WHERE lower(name) = lower($1) LIMIT 1`,
    [name, PROBES],
  );
  return known !== undefined && known.hours.join() === hours.join();
}
