import { expect, it } from "vitest";
import { startServer } from "../src/start-server.ts";
import { openDatabase } from "../src/store/open-database.ts";
import { describeOnPostgres } from "./support/databases.ts";
import { startLoad } from "./support/load.ts";
import { createLoadTarget, expectAcknowledgedRecordedAndBilled } from "./support/load-target.ts";
import { startTransactionPooler } from "./support/transaction-pooler.ts";
import { until } from "./support/until.ts";

describeOnPostgres("a pooler in transaction mode before $name", ({ create }) => {
  it.each([
    ["by itself", {}],
    ["told otherwise, when the first statement shows it", { preparedStatements: true }],
  ])(
    "gets no statements that are prepared by name, %s",
    async (_, options) => {
      const { location, remove } = await create();
      if (!("databaseUrl" in location)) throw new Error("the PostgreSQL of the tests has no URL");
      const pooler = await startTransactionPooler(location.databaseUrl);
      try {
        const target = await createLoadTarget(location);
        const db = await openDatabase({ databaseUrl: pooler.databaseUrl, ...options });
        const server = await startServer({ db, port: 0, logLevel: "silent" });
        const load = startLoad({ urls: () => [server.url], target, closeEvery: 150 });
        try {
          await until("events acknowledged", () => load.events.size > 100);
          await load.stop();
        } finally {
          await load.stop().catch(() => {});
          await server.close();
          await db.close();
        }
        expect(load.repeated()).toBe(0);
        await expectAcknowledgedRecordedAndBilled(location, target, load);
      } finally {
        await pooler.close();
        await remove();
      }
    },
    60_000,
  );
});
