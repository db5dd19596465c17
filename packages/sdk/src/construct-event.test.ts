import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { constructEvent } from "./construct-event.ts";
import { WebhookVerificationError } from "./errors.ts";
import { Secret } from "./secret.ts";

const secret = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
const other = `whsec_${Buffer.from("fedcba9876543210fedcba9876543210").toString("base64")}`;
const body = JSON.stringify({
  id: "evt_1",
  type: "invoice.paid",
  timestamp: "2026-11-23T12:00:00.000Z",
  data: { total: "12.50", name: "Grüße" },
});

/** Signs as the reference implementation of Standard Webhooks does. */
function signed(payload = body, { key = secret, at = new Date(), id = "msg_1" } = {}) {
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
    "webhook-signature": new Webhook(key).sign(id, at, payload),
  };
}

const refusal = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(WebhookVerificationError);
    return error instanceof Error ? error.message : "";
  }
  throw new Error("it was expected to throw");
};

describe("constructEvent", () => {
  it("gives the event of a request that the reference implementation signed", () => {
    expect(constructEvent(body, signed(), secret)).toMatchObject({ id: "evt_1", type: "invoice.paid" });
  });

  it("takes bytes, the web's headers, headers of any case, and a secret that does not print", () => {
    const headers = signed();
    expect(constructEvent(Buffer.from(body), new Headers(headers), new Secret(secret)).id).toBe("evt_1");
    const upper = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    );
    expect(constructEvent(new TextEncoder().encode(body), upper, secret).id).toBe("evt_1");
  });

  it("takes an event of a type that it does not know", () => {
    const unknown = body.replace("invoice.paid", "agent.promoted");
    expect(constructEvent(unknown, signed(unknown), secret).type).toBe("agent.promoted");
  });

  it("takes the request if one of several signatures matches, as while a secret is rotated", () => {
    const headers = signed();
    const theirs = new Webhook(other).sign("msg_1", new Date(), body);
    const both = { ...headers, "webhook-signature": `v1a,AAAA ${theirs} ${headers["webhook-signature"]}` };
    expect(constructEvent(body, both, secret).id).toBe("evt_1");
    const repeated = { ...headers, "webhook-signature": [theirs, headers["webhook-signature"]] };
    expect(constructEvent(body, repeated, secret).id).toBe("evt_1");
  });

  it.each([
    ["another body", () => constructEvent(body.replace("12.50", "99.50"), signed(), secret)],
    ["another id", () => constructEvent(body, { ...signed(), "webhook-id": "msg_2" }, secret)],
    ["another secret", () => constructEvent(body, signed(), other)],
    [
      "an empty signature of the right scheme",
      () => constructEvent(body, { ...signed(), "webhook-signature": "v1," }, secret),
    ],
    ["a cut signature", () => constructEvent(body, { ...signed(), "webhook-signature": "v1,AAAA" }, secret)],
    [
      "another scheme",
      () =>
        constructEvent(
          body,
          { ...signed(), "webhook-signature": signed()["webhook-signature"].replace("v1", "v2") },
          secret,
        ),
    ],
    ["another timestamp", () => constructEvent(body, { ...signed(), "webhook-timestamp": "1" }, secret)],
  ])("refuses %s", (_, call) => {
    expect(refusal(call)).toMatch(/signature does not match/);
  });

  it.each([-301, 301])(
    "refuses a request %i seconds away from now, and takes it with a wider tolerance",
    (seconds) => {
      const headers = signed(body, { at: new Date(Date.now() + seconds * 1_000) });
      expect(refusal(() => constructEvent(body, headers, secret))).toMatch(/more than 300 s away/);
      expect(constructEvent(body, headers, secret, { tolerance: 400 }).id).toBe("evt_1");
    },
  );

  it.each(["webhook-id", "webhook-timestamp", "webhook-signature"] as const)(
    "names the missing header %s",
    (name) => {
      expect(refusal(() => constructEvent(body, { ...signed(), [name]: undefined }, secret))).toContain(name);
    },
  );

  it.each(["", "whsec_", "secret", "whsec_dG9vc2hvcnQ=", "whsec_not base64 at all, but long"])(
    "refuses the malformed secret %j without showing it",
    (malformed) => {
      expect(refusal(() => constructEvent(body, signed(), malformed))).toBe(
        'The signing secret is missing or malformed: it begins with "whsec_", as webhooks.create answered it.',
      );
    },
  );

  it("says that the body must not be parsed before", () => {
    const parsed: string = JSON.parse(body);
    expect(refusal(() => constructEvent(parsed, signed(), secret))).toMatch(/pass it as it arrived/);
  });

  it("says what is wrong with a signed body that is not an event", () => {
    expect(refusal(() => constructEvent("hello", signed("hello"), secret))).toMatch(/not JSON/);
    expect(refusal(() => constructEvent("{}", signed("{}"), secret))).toMatch(/not an event: id:/);
  });
});
