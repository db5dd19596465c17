import { v7 as uuidv7 } from "uuid";
import { expect, it } from "vitest";
import { createAccount } from "../src/accounts/accounts.ts";
import { compareTimeZones, type MonthOf } from "../src/billing/compare-time-zones.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("the time zone data of $name", (database) => {
  const now = new Date("2026-11-10T00:00:00Z");

  it("is compared with this process's, for the accounts' zones alone, and told by the first month", async () => {
    const { location, remove } = await database.create();
    const db = await openDatabase(location);
    try {
      for (const timeZone of ["UTC", "America/Havana", "America/Vancouver"]) {
        await createAccount(db, { name: "Acme", timeZone }, { newId: () => uuidv7(), now });
      }
      // A process that has not heard of, or alone has heard of, Vancouver's keeping one time all year.
      const atOffset =
        (hours: number): MonthOf =>
        (moment, zone) => {
          if (zone === "America/Havana") return monthIn(moment, zone);
          const offset = zone === "America/Vancouver" ? hours * 3_600_000 : 0;
          return new Date(moment.getTime() + offset).toISOString().slice(0, 7);
        };
      const summer = await compareTimeZones(db, now, atOffset(-7));
      const winter = await compareTimeZones(db, now, atOffset(-8));
      const zones = [...summer, ...winter].map(({ timeZone }) => timeZone);
      expect(new Set(zones)).toEqual(new Set(["America/Vancouver"]));
      for (const { month, startsAt } of [...summer, ...winter]) {
        expect(month).toMatch(/^202[678]-\d\d$/);
        expect(startsAt.getUTCDate()).toBe(1);
      }
    } finally {
      await db.close();
      await remove();
    }
  }, 60_000);
});

describeOnEachDatabase("a zone of $name without a slash", (database) => {
  it("is an abbreviation only where the server refuses it", async () => {
    const { location, remove } = await database.create();
    const db = await openDatabase(location);
    const now = new Date("2026-11-10T00:00:00Z");
    const zones = { CET: false, Cuba: true, Egypt: true, Israel: true };
    try {
      for (const timeZone of Object.keys(zones)) {
        const made = await createAccount(db, { name: "Acme" }, { newId: () => uuidv7(), now });
        await db.query("UPDATE accounts SET time_zone = $2 WHERE id = $1", [made.id, timeZone]);
      }
      const different = await compareTimeZones(db, now, () => "2000-01");
      const told = different.map(({ timeZone, isAllowed }) => [timeZone, isAllowed]);
      expect(Object.fromEntries(told)).toEqual(zones);
    } finally {
      await db.close();
      await remove();
    }
  }, 60_000);
});

function monthIn(moment: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit" });
  return parts.format(moment).slice(0, 7);
}
