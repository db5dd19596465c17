import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HostedBillingPeriod, HostedInvoice, MeterTotal } from "./billing.ts";
import { ErrorEnvelope } from "./errors.ts";
import { DEFAULT_MAX_QUANTITY_PER_CALL, MAX_QUANTITY } from "./limits.ts";
import { Verification, VerifyRequest } from "./mcp.ts";
import { CreateMeter, UpdateMeter } from "./meters.ts";
import { toJsonSchema } from "./openapi.ts";
import { Price } from "./prices.ts";
import { MeterName, Money, Quantity } from "./primitives.ts";

describe("a quantity", () => {
  it("is a whole number from 1 to the largest", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: MAX_QUANTITY }), (n) => Quantity.safeParse(n).success));
  });

  it.each([0, -1, 0.5, 1.5, MAX_QUANTITY + 1, Number.NaN, Number.POSITIVE_INFINITY, "1", null])(
    "is never %s",
    (value) => {
      expect(Quantity.safeParse(value).success).toBe(false);
    },
  );

  it("says what to do instead of a fraction, a zero, and too much", () => {
    const messageOf = (value: number) => Quantity.safeParse(value).error?.issues[0]?.message;
    expect(messageOf(0.5)).toContain("smaller unit");
    expect(messageOf(0)).toContain("leave out meterName");
    expect(messageOf(MAX_QUANTITY + 1)).toContain("several events");
  });
});

describe("verify", () => {
  it("takes what is documented: nothing, a meter, a meter and a quantity", () => {
    for (const body of [{}, { meterName: "api_calls" }, { meterName: "api_calls", quantity: 3 }]) {
      expect(VerifyRequest.parse(body)).toEqual(body);
    }
  });

  it("refuses a quantity without a meter, and members that do not exist", () => {
    expect(VerifyRequest.safeParse({ quantity: 3 }).error?.issues[0]?.path).toEqual(["meterName"]);
    expect(VerifyRequest.safeParse({ meter: "api_calls" }).success).toBe(false);
  });

  it("is answered by the documented members alone, and by more", () => {
    const documented = { accountId: "acc_1", agentId: "agt_1", scopes: ["mcp:invoke"] };
    expect(Verification.parse(documented)).toEqual(documented);
    expect(Verification.safeParse({ ...documented, region: "eu" }).success).toBe(true);
    expect(Verification.safeParse({ accountId: "acc_1", scopes: [] }).error?.issues[0]?.path).toEqual([
      "agentId",
    ]);
  });
});

describe("what the hosted service answers", () => {
  it("may have no more than the documented members", () => {
    expect(HostedBillingPeriod.parse({ id: "per_1" })).toEqual({ id: "per_1" });
    expect(HostedInvoice.parse({ stripeConfigured: false, totalUsage: 12 })).toMatchObject({
      totalUsage: 12,
    });
    expect(
      HostedInvoice.safeParse({ stripeConfigured: true, hostedInvoiceUrl: "https://pay.example/1" }).success,
    ).toBe(true);
  });

  it("must have those", () => {
    expect(HostedInvoice.safeParse({ stripeConfigured: false }).error?.issues[0]?.path).toEqual([
      "totalUsage",
    ]);
    expect(HostedInvoice.safeParse({ stripeConfigured: true }).error?.issues[0]?.path).toEqual([
      "hostedInvoiceUrl",
    ]);
    expect(HostedBillingPeriod.safeParse({}).error?.issues[0]?.path).toEqual(["id"]);
  });
});

describe("a sum", () => {
  it("may be more than a number holds exactly, and has the exact text beside it", () => {
    const total = {
      meterName: "tokens",
      quantity: 2 ** 53,
      quantityDecimal: "9007199254740993",
      eventCount: 2,
    };
    expect(MeterTotal.parse(total)).toEqual(total);
    expect(MeterTotal.safeParse({ ...total, quantityDecimal: undefined }).error?.issues).toMatchObject([
      { path: ["quantity"] },
    ]);
    expect(MeterTotal.safeParse({ ...total, quantityDecimal: "9007199254740990" }).success).toBe(false);
    for (const quantity of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1"])
      expect(MeterTotal.safeParse({ ...total, quantity }).success).toBe(false);
    expect(MeterTotal.safeParse({ ...total, quantityDecimal: "1e21" }).success).toBe(false);
    expect(Money.safeParse(`${"9".repeat(40)}.99`).success).toBe(true);
    expect(Money.safeParse("-1").success).toBe(false);
  });

  it("is a whole number in the OpenAPI document", () => {
    expect(toJsonSchema(MeterTotal, "output")).toMatchObject({
      properties: { quantity: { type: "integer", minimum: 0 }, eventCount: { type: "integer" } },
    });
  });
});

describe("a meter's limit for one call", () => {
  it.each([1, DEFAULT_MAX_QUANTITY_PER_CALL, MAX_QUANTITY])("can be %i", (maxQuantityPerCall) => {
    expect(CreateMeter.safeParse({ name: "tokens", maxQuantityPerCall }).success).toBe(true);
  });
  it.each([0, 0.5, MAX_QUANTITY + 1, null])("cannot be %s", (maxQuantityPerCall) => {
    expect(UpdateMeter.safeParse({ maxQuantityPerCall }).success).toBe(false);
  });
});

describe("an error", () => {
  it("is read in both documented forms", () => {
    expect(ErrorEnvelope.safeParse({ error: "No", code: "NEW_CODE", requestId: "01H" }).success).toBe(true);
    expect(ErrorEnvelope.safeParse({ error: "No", status: 400 }).success).toBe(true);
  });
});

describe("a meter's name", () => {
  it.each(["api_calls", "gpt-4.tokens", "a"])("can be %s", (name) => {
    expect(MeterName.safeParse(name).success).toBe(true);
  });
  it.each(["", "API", "1st", "a b", "a".repeat(65), "ä"])("cannot be %j", (name) => {
    expect(MeterName.safeParse(name).success).toBe(false);
  });
});

describe("a price with tiers", () => {
  const graduated = (...upTo: (number | null)[]) =>
    Price.safeParse({ model: "graduated", tiers: upTo.map((limit) => ({ upTo: limit, unitPrice: "1" })) })
      .success;

  it("needs rising limits and an open end", () => {
    expect(graduated(null)).toBe(true);
    expect(graduated(10, 20, null)).toBe(true);
    expect(graduated(10)).toBe(false);
    expect(graduated(20, 10, null)).toBe(false);
    expect(graduated(null, null)).toBe(false);
    expect(graduated()).toBe(false);
  });

  it("has units free of charge in one way", () => {
    const free = (more: object) => Price.safeParse({ model: "per_unit", unitPrice: "1", ...more }).success;
    const allowance = { quantity: 10, every: "day" };
    expect(free({ allowance })).toBe(true);
    expect(free({ allowance: { ...allowance, every: "period" } })).toBe(true);
    expect(free({ includedQuantity: 10 })).toBe(true);
    expect(free({ allowance, includedQuantity: 10 })).toBe(false);
    expect(free({ allowance: { ...allowance, every: "month" } })).toBe(false);
    expect(free({ allowance: { ...allowance, quantity: -1 } })).toBe(false);
    expect(free({ allowance: { quantity: 10 } })).toBe(false);
  });

  it("is never a floating-point number", () => {
    expect(Price.safeParse({ model: "per_unit", unitPrice: 0.1 }).success).toBe(false);
    expect(Price.safeParse({ model: "per_unit", unitPrice: "0.000000000001" }).success).toBe(true);
    expect(Price.safeParse({ model: "per_unit", unitPrice: "0.0000000000001" }).success).toBe(false);
    expect(Price.safeParse({ model: "per_unit", unitPrice: "-1" }).success).toBe(false);
  });
});
