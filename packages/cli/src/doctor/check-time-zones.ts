import type { Config, TimeZoneDifference } from "@licentric/server";
import type { Check } from "./check.ts";

const name = "time zones";

/**
 * Checks that the database knows when months begin in the accounts' time zones, if it is one that can be
 * used.
 */
export async function checkTimeZones({ database }: Config): Promise<Check[]> {
  const { compareTimeZones, inspectDatabase, openDatabase } = await import("@licentric/server");
  if ((await inspectDatabase(database)) !== "current") return [];
  const db = await openDatabase(database);
  try {
    const different = await compareTimeZones(db, new Date());
    if (different.length > 0) return [differenceFound(different)];
    const message = "The database and this command agree on when the accounts' months begin.";
    return [{ name, status: "ok", message }];
  } finally {
    await db.close();
  }
}

/** Says of every zone where the two differ, and of each what to do. */
export function differenceFound(different: readonly TimeZoneDifference[]): Check {
  const begins = different.map(
    ({ timeZone, month, startsAt }) =>
      `In ${timeZone} the database begins ${month} at ${startsAt.toISOString()}, and this command's time zone data says otherwise.`,
  );
  const zones = (allowed: boolean) =>
    different.filter(({ isAllowed }) => isAllowed === allowed).map(({ timeZone }) => timeZone);
  const [abbreviations, old] = [zones(false).join(", "), zones(true).join(", ")];
  return {
    name,
    status: "failed",
    message: begins.join(" "),
    advice: [
      abbreviations &&
        `PostgreSQL may take ${abbreviations} for an abbreviation, which has no summer time. Give each account with it a time zone that names a place, such as "Europe/Brussels": \`licentric account update --time-zone Europe/Brussels\`. It counts from the next period on.`,
      old &&
        `Of ${old}, one of them has old data. Update PostgreSQL's time zone data (\`apt-get install --only-upgrade tzdata\`, then restart it) or the embedded database (\`npm install licentric@latest\`), and Node.`,
    ]
      .filter((each) => each !== "")
      .join(" "),
  };
}
