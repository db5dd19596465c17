import { expect, test } from "vitest";
import { hashToken } from "../credential/find-credential.ts";
import { createEmitter } from "../events.ts";
import { createTestLedger } from "../testing/test-ledger.ts";
import { createIdentify } from "./identify.ts";
import { createVerificationCache } from "./verification-cache.ts";

test("whom an outage lets through is asked for again, and not taken for verified", async () => {
  const clock = { now: 1_000_000 };
  const now = () => clock.now;
  const ledger = createTestLedger();
  const token = ledger.authorize("agt_1", { expiresAt: new Date(Date.now() + 3_600_000) });
  const cache = createVerificationCache({ cacheTtl: 10_000, recentTtl: 10_000, now });
  const identify = createIdentify({
    gateway: ledger.gateway,
    emitter: createEmitter(),
    cache,
    links: {},
    timeout: 1_000,
    allowOffline: true,
  });
  await identify(token);
  clock.now += 10_000;
  ledger.refuseWith("billing_unavailable");
  expect(await identify(token)).toMatchObject({ agentId: "agt_1" });
  expect(cache.trusted(hashToken(token))).toBeUndefined();
  ledger.refuseWith(undefined);
  ledger.revoke(token);
  await expect(identify(token)).rejects.toMatchObject({ refusal: { code: "invalid_token" } });
  expect(cache.lastKnown(hashToken(token))).toBeUndefined();
});
