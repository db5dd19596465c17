import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, it } from "vitest";
import { updateAccount } from "../src/accounts/account.ts";
import { createAccount, getEnvironmentId } from "../src/accounts/accounts.ts";
import { openPeriod } from "../src/billing/open-period.ts";
import { closePeriod, getCurrentPeriod } from "../src/billing/periods.ts";
import type { Database } from "../src/store/database.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

describeOnEachDatabase("a period opened on $name", (database) => {
  let db: Database;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const created = await database.create();
    remove = created.remove;
    db = await openDatabase(created.location);
  });
  afterAll(async () => {
    await db.close();
    await remove();
  });

  const making = (now: string) => ({ newId: () => uuidv7(), now: new Date(now) });

  async function environmentIn(timeZone: string) {
    const { id } = await createAccount(db, { name: "Acme", timeZone }, making("2026-01-01T00:00:00Z"));
    const environmentId = await getEnvironmentId(db, id, "test");
    const caller = { environmentId, accountId: id, mode: "test" } as const;
    return {
      moveTo: (timeZone: string) =>
        db.transaction((tx) => updateAccount(tx, caller, { timeZone }, { now: new Date(), owner: null })),
      open: (now: string) => db.transaction((tx) => openPeriod(tx, environmentId, making(now))),
      /** Closes what takes usage at a moment, by a clock that says that moment or another one. */
      close: async (moment: string, now = moment) => {
        const { id: periodId } = await getCurrentPeriod(db, environmentId, making(moment));
        await db.transaction((tx) => closePeriod(tx, environmentId, periodId, making(now)));
      },
      spans: async () => {
        const rows = await db.query<{ starts_at: Date; ends_at: Date }>(
          "SELECT starts_at, ends_at FROM periods WHERE environment_id = $1 ORDER BY id",
          [environmentId],
        );
        return rows.map((row) => [row.starts_at.toISOString(), row.ends_at.toISOString()]);
      },
    };
  }

  it("is the month, or after an early close the rest of it", async () => {
    const { open, close, spans } = await environmentIn("Europe/Berlin");
    await open("2026-11-10T00:00:00Z");
    await close("2026-11-20T12:00:00Z");
    await open("2026-11-20T12:00:01Z");
    expect(await spans()).toEqual([
      ["2026-10-31T23:00:00.000Z", "2026-11-20T12:00:00.000Z"],
      ["2026-11-20T12:00:00.000Z", "2026-11-30T23:00:00.000Z"],
    ]);
  });

  it("begins in the next month where a clock is ahead that closed the last one, and another behind", async () => {
    const { open, close, spans } = await environmentIn("UTC");
    await open("2026-11-10T00:00:00Z");
    await close("2026-11-10T00:00:00Z", "2026-12-01T00:00:00.500Z");
    await open("2026-11-30T23:59:59.900Z");
    await open("2026-12-01T00:00:00.600Z");
    expect(await spans()).toEqual([
      ["2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"],
      ["2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"],
    ]);
  });

  it("never starts after its end, whatever the clocks of two processes say of an early close", async () => {
    const { open, close, spans } = await environmentIn("UTC");
    await open("2026-12-01T00:00:01Z");
    await close("2026-12-01T00:00:02Z");
    await open("2026-11-30T23:59:59Z");
    expect(await spans()).toEqual([
      ["2026-12-01T00:00:00.000Z", "2026-12-01T00:00:02.000Z"],
      ["2026-12-01T00:00:02.000Z", "2027-01-01T00:00:00.000Z"],
    ]);
  });

  it("begins with the first of two midnights where clocks are put back over it", async () => {
    const { open, close, spans } = await environmentIn("America/Havana");
    await open("2026-10-15T00:00:00Z");
    await close("2026-10-15T00:00:00Z", "2026-11-01T04:30:00Z");
    await open("2026-11-01T04:30:00Z");
    expect(await spans()).toEqual([
      ["2026-10-01T04:00:00.000Z", "2026-11-01T04:00:00.000Z"],
      ["2026-11-01T04:00:00.000Z", "2026-12-01T05:00:00.000Z"],
    ]);
  });

  it("is the next month after one that ended in another time zone", async () => {
    const { open, close, spans, moveTo } = await environmentIn("UTC");
    await open("2026-05-10T00:00:00Z");
    await moveTo("Asia/Tokyo");
    await close("2026-05-10T00:00:00Z", "2026-06-01T00:00:00Z");
    await open("2026-06-01T00:00:00Z");
    expect(await spans()).toEqual([
      ["2026-05-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"],
      ["2026-06-01T00:00:00.000Z", "2026-06-30T15:00:00.000Z"],
    ]);
  });
});
