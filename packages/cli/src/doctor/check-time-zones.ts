import type { Config } from "@licentric/server";
import type { Check } from "./check.ts";

const name = "time zones";

/** Whether the database knows when months begin in the accounts' time zones. Only of one that can be used. */
export async function checkTimeZones({ database }: Config): Promise<Check[]> {
  const { compareTimeZones, inspectDatabase, openDatabase } = await import("@licentric/server");
  if ((await inspectDatabase(database)) !== "current") return [];
  const db = await openDatabase(database);
  try {
    const [first, ...others] = await compareTimeZones(db, new Date());
    if (first === undefined) {
      const message = "The database and this command agree on when the accounts' months begin.";
      return [{ name, status: "ok", message }];
    }
    const more = others.map(({ timeZone }) => timeZone).join(", ");
    return [
      {
        name,
        status: "failed",
        message: `In ${first.timeZone} the database begins ${first.month} at ${first.startsAt.toISOString()}, and this command's time zone data says otherwise${more && `; the same of ${more}`}.`,
        advice: first.timeZone.includes("/")
          ? OLD_DATA
          : `PostgreSQL may take ${first.timeZone} for an abbreviation, which has no summer time. Give the account a time zone that names a place, such as "Europe/Brussels": \`licentric account update --time-zone Europe/Brussels\`. It counts from the next period on.`,
      },
    ];
  } finally {
    await db.close();
  }
}

const OLD_DATA =
  "One of them is old. Update PostgreSQL's time zone data (`apt-get install --only-upgrade tzdata`, then restart it) or the embedded database (`npm install licentric@latest`), and Node.";
