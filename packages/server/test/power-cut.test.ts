import { randomInt } from "node:crypto";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkTotals } from "../src/metering/check-totals.ts";
import { DatabaseSetupError } from "../src/store/database.ts";
import { type DatabaseLocation, openDatabase } from "../src/store/open-database.ts";
import { type Load, type LoadTarget, startLoad } from "./support/load.ts";
import { createLoadTarget, expectAcknowledgedRecordedAndBilled } from "./support/load-target.ts";
import type { Step } from "./support/power-cut/journal.ts";
import { type Machine, machines } from "./support/power-cut/machine.ts";

/** How often the power is cut, on each database. */
const CUTS = Number(process.env["LICENTRIC_TEST_POWER_CUTS"] ?? 2);

describe.each(machines)("a power cut on $name under load", ({ missing, make }) => {
  let machine: Machine;
  let target: LoadTarget;
  let load: Load;
  beforeEach(async (context) => {
    if (missing !== null && process.env["CI"]) throw new Error(missing);
    if (missing !== null) return context.skip(missing);
    machine = await make();
    target = await createLoadTarget(machine.location);
    load = startLoad({ urls: machine.urls, target, closeEvery: 150 });
  }, 120_000);
  afterEach(() => machine?.remove());

  it(`loses nothing that was acknowledged, ${CUTS} times`, { timeout: 120_000 + CUTS * 30_000 }, async () => {
    const steps: Step[] = [];
    await machine.prepare();
    for (let cut = 1; cut <= CUTS; cut += 1) {
      await machine.start();
      await load.acknowledgedMore(20);
      const switched = Promise.allSettled([machine.switchLog()]);
      // After a switch of the log and a checkpoint, with work behind them; or before them, or in the middle of them.
      if (cut === 1 || randomInt(2) === 0) {
        await switched;
        await load.acknowledgedMore(20);
      } else await sleep(randomInt(30));
      const survival = cut % 2 === 0 ? "some" : "nothing";
      steps.push(...(await machine.cutPower(survival)).filter(({ kind }) => kind !== "write"));
      await switched;
      const lost = await machine.look((location) => findLost(location, target, load));
      expect(lost, `cut ${cut}, ${survival} of what was not synced survived`).toEqual([]);
    }
    // A file of the log was begun and a checkpoint made: else these were not the cuts that are meant.
    const synced = steps.filter(({ kind }) => kind === "sync-end").map(({ path }) => basename(path));
    expect(new Set(synced.filter((name) => /^[0-9A-F]{24}$/.test(name))).size).toBeGreaterThan(1);
    expect(synced).toContain("pg_control");

    await machine.start();
    await load.acknowledgedMore(20);
    await load.stop();
    await machine.cutPower("nothing");
    expect(load.repeated()).toBeGreaterThan(0);
    await machine.look((location) => expectAcknowledgedRecordedAndBilled(location, target, load));
  });

  it("loses all of it without syncs, so that the test above can fail", { timeout: 120_000 }, async () => {
    await machine.prepare({ withoutSyncs: true });
    await machine.start();
    await load.acknowledgedMore(20);
    await load.stop();
    await machine.cutPower("nothing");
    const lost = await machine
      .look((location) => findLost(location, target, load))
      .catch((error: unknown) => error);
    // Its files may even be in such disorder that it does not open.
    if (lost instanceof Error) expect(lost).toSatisfy(isUnopened);
    else expect(lost).toHaveLength(load.events.size);
  });
});

/** The acknowledged events that are not there exactly once as they were acknowledged. */
async function findLost(location: DatabaseLocation, target: LoadTarget, load: Load): Promise<string[]> {
  const acknowledged = [...load.events.values()];
  const db = await openDatabase(location);
  try {
    const stored = await db.query<{ id: string; quantity: number }>(
      "SELECT id, quantity FROM metered_events WHERE environment_id = $1",
      [target.environmentId],
    );
    expect(await checkTotals(db)).toEqual([]);
    const found = acknowledged.filter(
      (event) =>
        stored.filter(({ id, quantity }) => id === event.id && quantity === event.quantity).length !== 1,
    );
    return found.map(({ id }) => id);
  } finally {
    await db.close();
  }
}

function isUnopened(error: Error): boolean {
  // PostgreSQL's own starter tells of a database that does not open by the exit of its process.
  return error instanceof DatabaseSetupError || error.message.includes("pg_ctl");
}
