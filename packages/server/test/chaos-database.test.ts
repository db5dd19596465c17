import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { expect, it } from "vitest";
import { startServer } from "../src/start-server.ts";
import { type DatabaseLocation, openDatabase } from "../src/store/open-database.ts";
import { describeOnPostgres } from "./support/databases.ts";
import { type Load, startLoad } from "./support/load.ts";
import { createLoadTarget, expectAcknowledgedRecordedAndBilled } from "./support/load-target.ts";
import { findPostgresPrograms, startPrivatePostgres } from "./support/private-postgres.ts";

/** Puts load on a server while its database is disturbed, and then holds what is stored against what was sent. */
async function surviving(location: DatabaseLocation, disturb: (load: Load) => Promise<void>): Promise<void> {
  const target = await createLoadTarget(location);
  const db = await openDatabase(location);
  const server = await startServer({ db, port: 0, logLevel: "silent" });
  const load = startLoad({ urls: () => [server.url], target, closeEvery: 150 });
  try {
    await disturb(load);
    const before = load.events.size;
    await sleep(300);
    await load.stop();
    expect(load.events.size).toBeGreaterThan(before);
    expect(load.repeated()).toBeGreaterThan(0);
  } finally {
    await load.stop().catch(() => {});
    await server.close();
    await db.close();
  }
  await expectAcknowledgedRecordedAndBilled(location, target, load);
}

describeOnPostgres("$name that goes away under load", (database) => {
  it("loses nothing when every connection is cut, again and again", { timeout: 180_000 }, async () => {
    const { location, remove } = await database.create();
    if (!("databaseUrl" in location)) throw new Error("the PostgreSQL of the tests has no URL");
    const saboteur = new pg.Client({ connectionString: location.databaseUrl });
    await saboteur.connect();
    try {
      await surviving(location, async () => {
        let cut = 0;
        for (let round = 0; round < 25; round += 1) {
          await sleep(80);
          const { rowCount } = await saboteur.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()`,
          );
          cut += rowCount ?? 0;
        }
        expect(cut).toBeGreaterThan(25);
      });
    } finally {
      await saboteur.end();
      await remove();
    }
  });

  const programs = findPostgresPrograms();
  it("loses nothing when it is restarted, and when it crashes", { timeout: 240_000 }, async (context) => {
    if ("missing" in programs) {
      if (process.env["CI"]) throw new Error(`${programs.missing}; install PostgreSQL's server package`);
      return context.skip(programs.missing);
    }
    const postgres = await startPrivatePostgres(programs.directory);
    try {
      await surviving({ databaseUrl: postgres.databaseUrl }, async () => {
        for (const how of ["fast", "immediate", "fast", "immediate"] as const) {
          await sleep(400);
          await postgres.restart(how);
        }
      });
    } finally {
      await postgres.remove();
    }
  });
});
