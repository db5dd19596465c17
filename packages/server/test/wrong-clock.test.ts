import { randomUUID } from "node:crypto";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { closeEndedPeriods } from "../src/billing/periods.ts";
import { createAuthorizedAgent, startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { until } from "./support/until.ts";

const DAY = 86_400_000;

describeOnEachDatabase("a server on $name that closes periods by itself", (database) => {
  let api: TestApi;
  let lines: string[];
  let key: string;
  let token: string;
  beforeEach(async () => {
    lines = [];
    const logDestination = new Writable({
      write: (chunk, _, done) => {
        lines.push(String(chunk));
        done();
      },
    });
    const autoClose = { after: 3_600 };
    api = await startTestApi(database, { logDestination, autoClose, backgroundInterval: 20 });
    ({ key } = await api.createAccount());
    ({ token } = await createAuthorizedAgent(api, key, { expiresIn: 90 * 86_400 }));
  }, 60_000);
  afterEach(() => api.close());

  const verify = async () =>
    (await api.call("POST", "/api/v1/mcp/verify", { token, body: { meterName: "api_calls" } })).status;
  const periods = async () => (await api.call("GET", "/api/v1/billing/periods", { token: key })).body.data;

  it.each([40, 4_000])("closes nothing while its clock is %d days ahead, and says so", async (days) => {
    expect(await verify()).toBe(200);
    const [current] = await periods();
    api.setTime(new Date(Date.now() + days * DAY));
    await until("told", () => lines.some((line) => line.includes("ahead of its database's")));
    const { body } = await api.call("GET", "/readyz");
    expect(body.clockSkew).toBeGreaterThan((days - 1) * DAY);
    // A fault that stays is told of once, not with every look, though each finds the clock somewhere else.
    api.setTime(new Date(Date.now() + days * DAY + 5_000));
    await sleep(300);
    expect(lines.filter((line) => line.includes("ahead of its database's"))).toHaveLength(1);

    api.setTime(null);
    expect(await verify()).toBe(200);
    const [still, ...others] = await periods();
    expect(others).toEqual([]);
    expect(still).toMatchObject({ id: current.id, status: "open", endsAt: current.endsAt });
    expect(still.totals[0].quantity).toBe(2);
  });

  it("closes nothing by a time that was wrong, also where the clock is set right in the meantime", async () => {
    expect(await verify()).toBe(200);
    const times = [new Date(Date.now() + 40 * DAY)];
    const now = () => times.shift() ?? new Date();
    const closing = closeEndedPeriods(api.db, { grace: 0, maxClockSkew: 300_000, newId: randomUUID, now });
    await expect(closing).rejects.toThrow("ahead of its database's");
    expect(await periods()).toMatchObject([{ status: "open" }]);
  });

  it("closes what has ended while its clock is right", async () => {
    expect(await verify()).toBe(200);
    await api.db.query(
      "UPDATE periods SET starts_at = now() - interval '31 days', ends_at = now() - interval '61 minutes'",
    );
    await until("closed", async () => (await periods())[0].status === "closed");
  });
});
