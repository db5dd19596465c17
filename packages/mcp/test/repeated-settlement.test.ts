import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPaywall, IDEMPOTENCY_META_KEY, type Paywall } from "../src/index.ts";
import { refusalOf, text } from "./connect.ts";
import { type StandIn, startStandIn } from "./stand-in.ts";

let api: StandIn;
let token: string;
let paywall: Paywall;
beforeEach(async () => {
  api = await startStandIn();
  token = api.ledger.authorize("agt_1");
  paywall = createPaywall({ baseUrl: api.url, token: () => token, timeout: 1_500 });
});
afterEach(async () => {
  await paywall.close({ timeout: 200 });
  await api.close();
});

const keyed = () => ({ signal: new AbortController().signal, _meta: { [IDEMPOTENCY_META_KEY]: "k" } });

describe.each(["success", "reserve"] as const)("a result that could not be billed, charge %s", (charge) => {
  it.each([
    ["drop-answer", "still lets its reservations be committed"],
    ["drop-request", "still lets its reservations be committed"],
    ["drop-answer", "is no use for anything"],
    ["drop-request", "is no use for anything"],
  ] as const)(
    "is billed by the credential of its repetition, after %s, where the first one was revoked and %s",
    { timeout: 30_000 },
    async (fault, use) => {
      let runs = 0;
      const handler = paywall.tool({ name: "t", meterName: "api_calls", charge }, async (_: object) => {
        api.always = fault;
        return text(`result ${++runs}`);
      });
      expect(refusalOf(await handler(keyed()))).toMatchObject({ code: "billing_unavailable" });
      api.always = undefined;
      const first = token;
      token = api.ledger.authorize("agt_1");
      api.ledger.revoke(first);
      if (use === "is no use for anything") refuseCommitsOf(first);
      const codes = new Set<unknown>();
      await expect
        .poll(
          async () => {
            const refusal = refusalOf(await handler(keyed()));
            if (refusal !== undefined) codes.add(Reflect.get(Object(refusal), "code"));
            return refusal;
          },
          { timeout: 15_000, interval: 100 },
        )
        .toBeUndefined();
      expect([...codes].filter((code) => code !== "billing_unavailable")).toEqual([]);
      expect(await handler(keyed())).toEqual(text("result 1"));
      expect(runs).toBe(1);
      expect(api.ledger.usage).toHaveLength(1);
    },
  );
});

/** Has the API take no commit of a token any more, as one does that forgets tokens when they are revoked. */
function refuseCommitsOf(revoked: string) {
  const { gateway } = api.ledger;
  const { commit } = gateway;
  gateway.commit = async (...asked) => {
    if (asked[0] !== revoked) return commit(...asked);
    const refused = await gateway.verify(revoked, {}, asked[3]);
    if ("value" in refused) throw new Error("the token was revoked");
    return refused;
  };
}
