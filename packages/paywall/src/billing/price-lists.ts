import { randomUUID } from "node:crypto";
import type { AgentPrice } from "@licentric/sdk";
import { hashToken, isAgentToken } from "../credential/find-credential.ts";
import type { Emitter } from "../events.ts";
import { createExpiringMap } from "../util/expiring-map.ts";
import { type Gateway, reasonForOwner } from "./gateway.ts";

/** The prices of meters that an agent pays, by the meters' names. */
export type PriceList = ReadonlyMap<string, AgentPrice>;

/** Tells what a token's agent pays; undefined without a valid token, and where it cannot be found out. */
export type FindPriceList = (token: string | undefined) => Promise<PriceList | undefined>;

/** Milliseconds for which a price list is kept. */
const KEPT = 60_000;
/** Agents whose price lists are kept. */
const MOST_AGENTS = 1_000;

/** Makes the function that tells what a token's agent pays. It asks the API at most once a minute for each token. */
export function createFindPriceList(options: {
  readonly gateway: Gateway;
  /** Hears of what is the owner's to mend. */
  readonly emitter: Emitter;
  readonly timeout: number;
  readonly now: () => number;
}): FindPriceList {
  const { gateway, emitter, timeout, now } = options;
  const lists = createExpiringMap<Promise<PriceList | undefined>>({ limit: MOST_AGENTS, ttl: KEPT, now });
  const ask = async (token: string) => {
    const response = await gateway.listPrices(token, { idempotencyKey: randomUUID(), deadline: timeout });
    if ("value" in response) return new Map(response.value.map((price) => [price.meterName, price]));
    const reason = reasonForOwner(response);
    if (reason !== undefined) emitter.emit("failed", { reason, error: response.cause });
    return undefined;
  };
  return async (token) => {
    if (token === undefined || !isAgentToken(token)) return undefined;
    const key = hashToken(token);
    const known = lists.get(key);
    if (known !== undefined) return known;
    const asked = ask(token);
    lists.set(key, asked);
    const list = await asked;
    // What failed is asked for again.
    if (list === undefined) lists.delete(key);
    return list;
  };
}
