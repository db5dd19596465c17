import { onlyRow, type Queryable } from "./database.ts";

/** Milliseconds by which a clock is ahead of the database's; negative where it is behind. */
export async function clockSkew(db: Queryable, now: () => Date): Promise<number> {
  const { at } = onlyRow(await db.query<{ at: Date }>("SELECT clock_timestamp() AS at"));
  return now().getTime() - at.getTime();
}
