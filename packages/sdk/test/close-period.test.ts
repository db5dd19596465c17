import { HttpResponse, http } from "msw";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AbortError, type FlushProgress, TimeoutError } from "../src/index.ts";
import { clientFor, errorOf } from "./client-for.ts";
import { type HandlerServer, serveHandlers } from "./serve-handlers.ts";

// The hosted service, as far as it is documented: a period has an id, and usage arrives in it late.

const total = (quantity: number) => ({ meterName: "api_calls", quantity, eventCount: quantity });
const fast = { interval: 5, quietFor: 30, limit: 20_000 };

let server: HandlerServer;
let quantities: number[];
let period: () => object;
let headers: Record<string, string>;

beforeEach(async () => {
  quantities = [];
  period = () => ({ id: "per_1" });
  headers = {};
  const nextTotal = () => total((quantities.length > 1 ? quantities.shift() : quantities[0]) ?? 0);
  server = await serveHandlers([
    http.get("*/api/v1/billing/periods/:id", () => HttpResponse.json({ data: period() }, { headers })),
    http.get("*/api/v1/usage/totals", () => HttpResponse.json({ data: [nextTotal()] })),
    http.post("*/api/v1/billing/periods/:id/close", () =>
      HttpResponse.json({ data: { id: "per_1", status: "closed" } }),
    ),
  ]);
});
afterEach(() => server.close());

const sent = () => server.requests.map(({ method, path }) => `${method} ${path.replace("/api/v1/", "")}`);

describe("closePeriod", () => {
  it("closes at once where no waiting was asked for", async () => {
    expect(await clientFor(server.url).billing.closePeriod("per_1")).toEqual({
      id: "per_1",
      status: "closed",
    });
    expect(await clientFor(server.url).billing.closePeriod("per_1", { waitForFlush: false })).toMatchObject({
      id: "per_1",
    });
    expect(sent()).toEqual(Array(2).fill("POST billing/periods/per_1/close"));
  });

  it("waits until the totals stand still, and tells how far it is", async () => {
    quantities = [1, 5, 9];
    const progress: FlushProgress[] = [];
    const waitForFlush = { ...fast, onProgress: (now: FlushProgress) => void progress.push(now) };
    const { data, status } = await clientFor(server.url)
      .billing.closePeriod("per_1", { waitForFlush }, { idempotencyKey: "close-per_1" })
      .withResponse();
    expect(data).toMatchObject({ status: "closed" });
    expect(status).toBe(200);
    expect(progress.slice(0, 3).map(({ totals }) => totals)).toEqual([[total(1)], [total(5)], [total(9)]]);
    expect(progress.at(-1)?.quietFor).toBeGreaterThanOrEqual(30);
    expect(sent().filter((line) => line.startsWith("POST"))).toHaveLength(1);
    expect(sent().at(-1)).toBe("POST billing/periods/per_1/close");
    expect(server.requests.at(-1)?.headers.get("idempotency-key")).toBe("close-per_1");
    expect(server.requests.find(({ path }) => path.endsWith("totals"))?.search.get("periodId")).toBe("per_1");
  });

  it("reads the totals from the period where they are in it", async () => {
    period = () => ({ id: "per_1", totals: [total(3)] });
    await clientFor(server.url).billing.closePeriod("per_1", { waitForFlush: fast });
    expect(sent()).not.toContain("GET usage/totals");
  });

  it("does not wait for a server that says that it buffers nothing", async () => {
    headers = { "licentric-durable": "true" };
    await clientFor(server.url).billing.closePeriod("per_1", { waitForFlush: true });
    expect(sent()).toEqual(["GET billing/periods/per_1", "POST billing/periods/per_1/close"]);
  });

  it("does not wait for a period that is closed", async () => {
    period = () => ({ id: "per_1", status: "closed" });
    await clientFor(server.url).billing.closePeriod("per_1", { waitForFlush: true });
    expect(sent()).toEqual(["GET billing/periods/per_1", "POST billing/periods/per_1/close"]);
  });

  it("waits longer than the service's flush takes where no times are named", async () => {
    const signal = AbortSignal.timeout(300);
    const call = clientFor(server.url).billing.closePeriod("per_1", { waitForFlush: true }, { signal });
    expect(await errorOf(call)).toBeInstanceOf(AbortError);
    expect(sent()).not.toContain("POST billing/periods/per_1/close");
  });

  it("closes nothing where usage goes on beyond the limit", async () => {
    quantities = Array.from({ length: 1_000 }, (_, index) => index);
    const call = clientFor(server.url).billing.closePeriod("per_1", { waitForFlush: { ...fast, limit: 80 } });
    expect(await errorOf(call)).toBeInstanceOf(TimeoutError);
    expect(sent()).not.toContain("POST billing/periods/per_1/close");
  });

  it("closes nothing where it is aborted while it waits", async () => {
    const controller = new AbortController();
    const waitForFlush = { interval: 60_000, quietFor: 60_000, onProgress: () => controller.abort() };
    const call = clientFor(server.url).billing.closePeriod(
      "per_1",
      { waitForFlush },
      { signal: controller.signal },
    );
    expect(await errorOf(call)).toBeInstanceOf(AbortError);
    expect(sent()).not.toContain("POST billing/periods/per_1/close");
  });
});
