import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestApi, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";

interface Change {
  readonly at: string;
  readonly unitPrice: string;
  readonly from?: string;
}

const OCTOBER: Change = { at: "2026-10-05T00:00:00.000Z", unitPrice: "0.01" };
const MID = "2026-11-14T12:00:00.000Z";
const NOVEMBER = "2026-11-01T00:00:00.000Z";
const DECEMBER = "2026-12-01T00:00:00.000Z";
const JANUARY = "2027-01-01T00:00:00.000Z";

/** The changes, what November and December are billed by, and from when on the last one is. */
const CASES: readonly [string, readonly Change[], string, string, string | null][] = [
  ["a change in mid-month", [OCTOBER, { at: MID, unitPrice: "0.02" }], "0.01", "0.02", DECEMBER],
  ["the first price", [{ at: MID, unitPrice: "0.01" }], "0.01", "0.01", NOVEMBER],
  [
    "a second one after the first",
    [
      { at: MID, unitPrice: "0.01" },
      { at: "2026-11-20T00:00:00.000Z", unitPrice: "0.02" },
    ],
    "0.01",
    "0.02",
    DECEMBER,
  ],
  ["a correction", [OCTOBER, { at: MID, unitPrice: "0.02", from: NOVEMBER }], "0.02", "0.02", NOVEMBER],
  ["one for later", [OCTOBER, { at: MID, unitPrice: "0.02", from: JANUARY }], "0.01", "0.01", JANUARY],
  [
    "one that another takes over from at once",
    [
      OCTOBER,
      { at: "2026-11-20T00:00:00.000Z", unitPrice: "0.03" },
      { at: "2026-11-20T00:00:00.000Z", unitPrice: "0.02", from: MID },
    ],
    "0.01",
    "0.03",
    null,
  ],
];

describeOnEachDatabase("a price change on $name", (database) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi(database);
  }, 60_000);
  afterAll(() => api.close());

  it.each(CASES)(
    "is answered, listed and billed alike: %s",
    async (_, changes, november, december, billedFrom) => {
      api.setTime("2026-10-01T00:00:00.000Z");
      const { key: token } = await api.createAccount();
      const get = async (path: string) => (await api.call("GET", `/api/v1/${path}`, { token })).body.data;
      const post = async (path: string, body: object = {}) =>
        (await api.call("POST", `/api/v1/${path}`, { token, body })).body.data;
      const [meter] = await get("meters?name=api_calls");
      const agent = await post("agents", { name: "a" });
      const use = () =>
        post("usage/events", { events: [{ agentId: agent.id, meterName: "api_calls", quantity: 100 }] });

      let answer: { billedFrom: string | null } | undefined;
      for (const { at, unitPrice, from } of changes) {
        api.setTime(at);
        if (at !== OCTOBER.at) await use();
        const body = { price: { model: "per_unit", unitPrice }, ...(from && { effectiveFrom: from }) };
        answer = await post(`meters/${meter.id}/prices`, body);
      }
      expect(answer?.billedFrom).toBe(billedFrom);
      api.setTime("2026-11-30T00:00:00.000Z");
      expect((await get(`meters/${meter.id}/prices`))[0]).toEqual(answer);
      const running = await get(`meters/${meter.id}`);
      expect(running.price.unitPrice).toBe(november);
      expect(running.nextPrice).toEqual(
        november === december
          ? null
          : { price: { model: "per_unit", unitPrice: december }, billedFrom: DECEMBER },
      );
      expect((await get("meters"))[0]).toEqual(running);

      const billed: string[] = [];
      for (const now of [DECEMBER, JANUARY]) {
        const [period] = await get("billing/periods?status=open");
        api.setTime(now);
        await post(`billing/periods/${period.id}/close`);
        billed.push((await post(`billing/periods/${period.id}/invoice`)).lines[0].unitPrice);
        if (now === DECEMBER) {
          await use();
          expect((await get(`meters/${meter.id}`)).price.unitPrice).toBe(december);
        }
      }
      expect(billed).toEqual([november, december]);
    },
  );

  it.each([
    ["from when it is set on", undefined, null, "0.00", DECEMBER],
    ["from the month's start on", NOVEMBER, "0.01", "1.00", NOVEMBER],
  ])(
    "is answered, listed and billed alike where a month is over and not closed: a first price %s",
    async (_, effectiveFrom, unitPrice, total, billedFrom) => {
      api.setTime("2026-11-10T00:00:00.000Z");
      const { key: token } = await api.createAccount();
      const get = async (path: string) => (await api.call("GET", `/api/v1/${path}`, { token })).body.data;
      const post = async (path: string, body: object = {}) =>
        (await api.call("POST", `/api/v1/${path}`, { token, body })).body.data;
      const agent = await post("agents", { name: "a" });
      await post("usage/events", { events: [{ agentId: agent.id, meterName: "api_calls", quantity: 100 }] });
      const [period] = await get("billing/periods?status=open");

      api.setTime("2026-12-02T00:00:00.000Z");
      const [meter] = await get("meters?name=api_calls");
      const price = { model: "per_unit", unitPrice: "0.01" };
      const answer = await post(`meters/${meter.id}/prices`, {
        price,
        ...(effectiveFrom && { effectiveFrom }),
      });
      expect(answer.billedFrom).toBe(billedFrom);
      const listed = async () => (await get("billing/uninvoiced"))[0].total;
      const before = await listed();
      api.setTime("2026-12-03T00:00:00.000Z");
      await post(`billing/periods/${period.id}/close`);
      const after = await listed();
      const { lines, total: billed } = await post(`billing/periods/${period.id}/invoice`);
      expect([before, after, billed]).toEqual([total, total, total]);
      expect(lines[0].unitPrice ?? null).toBe(unitPrice);
    },
  );

  it.each([
    [
      "west, after a month that ended by the old zone",
      "Pacific/Auckland",
      "America/Los_Angeles",
      "2026-11-30T18:00:00.000Z",
    ],
    ["west, in the running month", "Pacific/Auckland", "America/Los_Angeles", "2026-11-20T00:00:00.000Z"],
    [
      "east, after a month that ended by the old zone",
      "America/Los_Angeles",
      "Pacific/Auckland",
      "2026-12-01T12:00:00.000Z",
    ],
    ["east, in the running month", "America/Los_Angeles", "Pacific/Auckland", "2026-11-20T00:00:00.000Z"],
  ])(
    "names the period that it is billed from, where the time zone has changed: %s",
    async (_, from, to, at) => {
      api.setTime("2026-11-10T00:00:00.000Z");
      const { key: token } = await api.createAccount({ timeZone: from });
      const call = async (method: "GET" | "POST" | "PATCH", path: string, body?: object) =>
        (await api.call(method, `/api/v1/${path}`, { token, ...(body && { body }) })).body.data;
      const [meter] = await call("GET", "meters?name=api_calls");
      const price = { model: "per_unit", unitPrice: "0.01" };
      await call("POST", `meters/${meter.id}/prices`, { price });
      await call("GET", "billing/periods/current");
      expect(await call("PATCH", "account", { timeZone: to })).toMatchObject({ timeZone: to });

      api.setTime(at);
      const next = { ...price, unitPrice: "0.02" };
      const { billedFrom } = await call("POST", `meters/${meter.id}/prices`, { price: next });
      const { nextPrice } = await call("GET", `meters/${meter.id}`);
      const running = await call("GET", "billing/periods/current");
      expect(nextPrice).toEqual({ price: next, billedFrom });
      expect(billedFrom).toBe(running.endsAt);
      api.setTime(running.endsAt);
      expect(await call("GET", "billing/periods/current")).toMatchObject({ startsAt: billedFrom });
    },
  );

  it.each([
    ["between its end and its close", false],
    ["after its close", true],
  ])("leaves a month that is over as it was, where a price is changed %s", async (_, closesFirst) => {
    api.setTime("2026-10-01T00:00:00.000Z");
    const { key: token } = await api.createAccount();
    const get = async (path: string) => (await api.call("GET", `/api/v1/${path}`, { token })).body.data;
    const post = async (path: string, body: object = {}) =>
      (await api.call("POST", `/api/v1/${path}`, { token, body })).body.data;
    const [meter] = await get("meters?name=api_calls");
    const setPrice = (unitPrice: string) =>
      post(`meters/${meter.id}/prices`, { price: { model: "per_unit", unitPrice } });
    await setPrice("0.01");
    api.setTime("2026-11-10T00:00:00.000Z");
    const agent = await post("agents", { name: "a" });
    await post("usage/events", { events: [{ agentId: agent.id, meterName: "api_calls", quantity: 100 }] });
    const [period] = await get("billing/periods?status=open");

    api.setTime("2026-12-02T00:00:00.000Z");
    const close = () => post(`billing/periods/${period.id}/close`);
    if (closesFirst) await close();
    // December began with the old price, so the new one is billed from January on.
    expect((await setPrice("0.02")).billedFrom).toBe(JANUARY);
    api.setTime("2026-12-03T00:00:00.000Z");
    if (!closesFirst) await close();
    expect(await get("billing/uninvoiced")).toMatchObject([{ total: "1.00" }]);
    expect(await post(`billing/periods/${period.id}/invoice`)).toMatchObject({ total: "1.00" });
  });
});
