import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { describeOnEachDatabase } from "./support/databases.ts";
import { type Load, startLoad } from "./support/load.ts";
import { createLoadTarget, expectAcknowledgedRecordedAndBilled } from "./support/load-target.ts";
import { type ServerProcess, startServerProcess } from "./support/server-process.ts";

// `.ci/full` kills it more often.
const ROUNDS = Number(process.env["LICENTRIC_TEST_KILLS"] ?? 10);

// Each waits for the other's processes to start: both at once take little more than one of them.
describe.concurrent("SIGKILL under load", () => {
  describeOnEachDatabase("on $name", ({ create }) => {
    it(`loses nothing and doubles nothing in ${ROUNDS} rounds`, { timeout: 600_000 }, async () => {
      const { location, remove } = await create("current");
      let server: ServerProcess | undefined;
      let load: Load | undefined;
      try {
        const target = await createLoadTarget(location);
        server = await startServerProcess(location);
        load = startLoad({ urls: () => (server === undefined ? [] : [server.url]), target, closeEvery: 150 });
        for (let round = 0; round < ROUNDS; round += 1) {
          await load.acknowledgedMore(20);
          // Anywhere in a request, a commit or a close.
          await sleep(randomInt(100));
          const killed = server;
          server = undefined;
          await killed.kill();
          server = await startServerProcess(location);
        }
        await load.acknowledgedMore(20);
        await load.stop();
        await server.stop();
        server = undefined;
        expect(load.repeated()).toBeGreaterThan(0);
        await expectAcknowledgedRecordedAndBilled(location, target, load);
      } finally {
        await load?.stop().catch(() => {});
        await server?.kill();
        await remove();
      }
    });
  });
});
