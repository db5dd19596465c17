import { onlyRow, type Queryable } from "./database.ts";

/** Writes a row as it is, to see that the database takes changes and keeps them; answers the database's time. */
export async function writeDurably(db: Queryable): Promise<Date> {
  const written = await db.query<{ at: Date }>(
    "/* write-durably */ UPDATE schema_version SET version = version RETURNING clock_timestamp() AS at",
  );
  return onlyRow(written).at;
}
