import { type Licentric, LicentricError } from "@licentric/sdk";
import { expect, it } from "vitest";
import { toEventBatch } from "../journal/event-batch.ts";
import type { JournalEvent } from "../journal/journal-event.ts";
import { createSdkGateway } from "./sdk-gateway.ts";

const events = (count: number): JournalEvent[] =>
  Array.from({ length: count }, (_, number) => ({
    idempotencyKey: `key-${number}`,
    timestamp: "2026-11-23T19:12:42.000Z",
    agentId: "agt_1",
    meterName: "api_calls",
    quantity: 1,
  }));

/** A client behind a proxy that takes so many events in one request, and the sizes of the requests. */
function behindProxy(limit: number) {
  const sizes: number[] = [];
  const keys: string[] = [];
  const recordJson = async (json: Uint8Array, count: number) => {
    const { events: batch }: { events: JournalEvent[] } = JSON.parse(new TextDecoder().decode(json));
    expect(batch).toHaveLength(count);
    sizes.push(count);
    if (batch.length > limit) throw new LicentricError("Request Entity Too Large", { status: 413 });
    keys.push(...batch.map(({ idempotencyKey }) => idempotencyKey));
    return batch.map(() => ({ status: "recorded" }));
  };
  // The gateway uses nothing else of a client where it delivers.
  const client = { usage: { recordJson } } as unknown as Licentric;
  return { gateway: createSdkGateway(client), sizes, keys };
}

const { signal } = new AbortController();

it("sends a batch in parts where a proxy takes no more, in order and each event once", async () => {
  const { gateway, sizes, keys } = behindProxy(300);
  const outcomes = await gateway.record(toEventBatch(events(1_000)), signal);
  expect(outcomes).toEqual(events(1_000).map(() => ({ status: "recorded" })));
  expect(keys).toEqual(events(1_000).map(({ idempotencyKey }) => idempotencyKey));
  expect(sizes).toEqual([1_000, 500, 250, 250, 250, 250]);
  // It is known now.
  await gateway.record(toEventBatch(events(500)), signal);
  expect(sizes.slice(6)).toEqual([250, 250]);
});

it("gives up where a single event is too large, and at any other error", async () => {
  const { gateway, sizes } = behindProxy(0);
  await expect(gateway.record(toEventBatch(events(3)), signal)).rejects.toMatchObject({ status: 413 });
  expect(sizes).toEqual([3, 2, 1]);
  const error = new LicentricError("Unavailable", { status: 503 });
  const client = { usage: { recordJson: () => Promise.reject(error) } } as unknown as Licentric;
  await expect(createSdkGateway(client).record(toEventBatch(events(3)), signal)).rejects.toBe(error);
});
