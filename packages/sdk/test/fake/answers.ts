import { randomUUID } from "node:crypto";
import type { routes } from "@licentric/contract";
import { z } from "zod";
import type { Call, FakeAccount } from "./account.ts";
import { iso, number, publicRow, Refusal, stamps, text, token } from "./store.ts";

type Answers<Table> = { [R in keyof Table]: { [C in keyof Table[R]]: (call: Call) => unknown } };

/** What each call of the route table answers. */
export function createAnswers(account: FakeAccount): Answers<typeof routes> {
  const { insert, find, change, remove, where } = account;
  const { newMeter, currentPeriod, insertKey, issueToken, totalsBy, withTotals, budgetState, budgetsFor } =
    account;
  const { record, recorded, verified, settle, invoiceOf, outcomeOf } = account;
  const { unitPriceOf, linesOf, totalOf } = account;
  /** Customers first, the account itself last. */
  const payersOf = (periodId: string) => {
    const totals = totalsBy(where("event", { periodId }), ["customer"]);
    const ids = [...new Set(totals.map((total) => z.string().nullable().parse(total.customerId)))];
    return ids
      .toSorted((left, right) => Number(left === null) - Number(right === null))
      .map((customerId) => ({
        customerId,
        name: text((customerId === null ? ownAccount() : find("customer", customerId))["name"]),
        totalUsage: Object.fromEntries(
          totals
            .filter((total) => total.customerId === customerId)
            .map(({ meterName, quantity }) => [meterName, quantity]),
        ),
      }));
  };
  const agree = (table: string, customer: unknown, body: Record<string, unknown>) => {
    const { id: customerId } = find("customer", customer);
    const { startsAt } = currentPeriod();
    const { effectiveFrom = startsAt } = body;
    if (String(effectiveFrom) < String(startsAt)) throw new Refusal("CONFLICT", "A period is closed.");
    const moments = { effectiveFrom, billedFrom: effectiveFrom, createdAt: iso() };
    return insert(table, { customerId, periods: null, ...body, ...moments });
  };
  const ownAccount = () => z.looseObject({ id: z.string() }).parse(where("account", {})[0]);
  return {
    mcp: {
      authorize: ({ body }) => {
        const agent = find("agent", body["agentId"]);
        if (agent["status"] === "suspended") throw new Refusal("CONFLICT", "The agent is suspended.");
        return issueToken(agent.id, body["scopes"], body["expiresIn"], body["name"]);
      },
      verify: (call) => {
        const { agentId, answer } = verified(call);
        const { meterName, quantity = 1 } = call.body;
        if (meterName === undefined) return answer();
        const { idempotencyKey } = call;
        const event = recorded(record({ agentId, meterName, quantity, idempotencyKey }));
        return { ...answer(), event };
      },
      reserve: (call) => {
        const { agentId, answer } = verified(call);
        const { meterName, quantity = 1, expiresIn } = call.body;
        const expiresAt = iso(number(expiresIn, 300));
        const held = { agentId, meterName, quantity, status: "held", committedQuantity: null, expiresAt };
        return { ...answer(), reservation: insert("reservation", held) };
      },
      commit: (call) => {
        const { id, agentId, meterName, quantity } = find("reservation", call.params["reservationId"]);
        const used = call.body["quantity"] ?? quantity;
        if (number(used, 0) > number(quantity, 0)) {
          throw new Refusal("VALIDATION_ERROR", "quantity: is more than was held", {
            issues: [{ path: "quantity", message: "is more than was held" }],
          });
        }
        const reservation = settle(call, "committed", used);
        return {
          reservation,
          event: recorded(record({ agentId, meterName, quantity: used, idempotencyKey: id })),
        };
      },
      release: (call) => ({ reservation: settle(call, "released", null) }),
      me: (call) => {
        const { agentId, answer } = verified(call);
        const { scopes, expiresAt } = answer();
        const budgets = budgetsFor(agentId);
        return { agentId, name: find("agent", agentId)["name"], scopes, expiresAt, budgets };
      },
      listPrices: ({ query }) =>
        where("meter", { name: query.get("meterName") ?? undefined }).map(({ name, ...meter }) => ({
          ...meter,
          meterName: name,
          currency: "usd",
        })),
    },
    agents: {
      create: ({ body }) => {
        if (body["customerId"]) find("customer", body["customerId"]);
        return insert("agent", { customerId: null, ...body, status: "active", ...stamps() });
      },
      list: ({ query }) =>
        where("agent", {
          status: query.get("status") ?? undefined,
          customerId: query.get("customerId") ?? undefined,
          name: query.get("name") ?? undefined,
        }),
      get: ({ params }) => find("agent", params["agentId"]),
      update: ({ params, body }) => change("agent", params["agentId"], body),
      delete: ({ params }) => remove("agent", params["agentId"]),
    },
    credentials: {
      list: ({ params }) => where("credential", { agentId: find("agent", params["agentId"]).id }),
      revoke: ({ params }) =>
        publicRow(change("credential", params["credentialId"], { status: "revoked", revokedAt: iso() })),
      rotate: ({ params, body }) => {
        const old = change("credential", params["credentialId"], {
          expiresAt: iso(number(body["overlap"], 0)),
        });
        return issueToken(old["agentId"], old["scopes"], body["expiresIn"], old["name"]);
      },
    },
    meters: {
      create: ({ body }) => {
        if (where("meter", { name: body["name"] }).length > 0) {
          throw new Refusal("CONFLICT", `There is a meter "${text(body["name"])}" already.`);
        }
        const meter = newMeter(body);
        const { price, id: meterId } = meter;
        if (price)
          insert("price", { meterId, customerId: null, price, effectiveFrom: iso(), createdAt: iso() });
        return meter;
      },
      list: ({ query }) => {
        const customerId = query.get("customerId");
        const meters = where("meter", { name: query.get("name") ?? undefined });
        if (customerId === null) return meters;
        if (where("customer", { id: customerId }).length === 0) return [];
        return meters.map((meter) => {
          const price = where("price", { meterId: meter.id, customerId }).at(-1)?.["price"] ?? null;
          return price === null ? meter : { ...meter, price, ownPrice: true };
        });
      },
      get: ({ params }) => find("meter", params["meterId"]),
      update: ({ params, body }) => change("meter", params["meterId"], body),
      setPrice: ({ params, body }) => {
        const { price, customerId = null, effectiveFrom = iso() } = body;
        const { id: meterId } = find("meter", params["meterId"]);
        if (customerId === null) change("meter", meterId, { price });
        else find("customer", customerId);
        return insert("price", { meterId, customerId, price, effectiveFrom, createdAt: iso() });
      },
      listPrices: ({ params, query }) => {
        const { id: meterId } = find("meter", params["meterId"]);
        return where("price", { meterId, customerId: query.get("customerId") ?? undefined });
      },
    },
    budgets: {
      create: ({ body }) => {
        const { agentId = null, customerId = null, meterName, window = "period" } = body;
        if (customerId === null) find("agent", agentId);
        else find("customer", customerId);
        if (where("meter", { name: meterName }).length === 0)
          throw new Refusal("NOT_FOUND", "There is no such meter.");
        if (where("budget", { agentId, customerId, meterName, window }).length > 0)
          throw new Refusal("CONFLICT", "There is one.");
        return budgetState(
          insert("budget", {
            ...{ warnAtPercent: 80, enforced: false, ...body, agentId, customerId, window, ...stamps() },
            ...(customerId !== null && { shared: true }),
          }),
        );
      },
      list: ({ query }) =>
        where("budget", {
          agentId: query.get("agentId") ?? undefined,
          customerId: query.get("customerId") ?? undefined,
          meterName: query.get("meterName") ?? undefined,
        }).map(budgetState),
      get: ({ params }) => budgetState(find("budget", params["budgetId"])),
      update: ({ params, body }) => budgetState(change("budget", params["budgetId"], body)),
      delete: ({ params }) => budgetState(remove("budget", params["budgetId"])),
    },
    usage: {
      recordBatch: ({ body }) => ({ results: z.array(z.unknown()).parse(body["events"]).map(outcomeOf) }),
      listEvents: ({ query }) =>
        where(
          "event",
          Object.fromEntries(
            ["agentId", "meterName", "periodId", "idempotencyKey"].map((name) => [
              name,
              query.get(name) ?? undefined,
            ]),
          ),
        ),
      refundEvent: ({ params, body }) => {
        const { id: eventId, agentId, meterName, quantity, customerId } = find("event", params["eventId"]);
        const [refund] = where("adjustment", { eventId });
        if (refund !== undefined) {
          throw new Refusal("CONFLICT", "The event is refunded already.", { adjustmentId: refund.id });
        }
        const { id: periodId } = currentPeriod();
        return insert("adjustment", {
          agentId,
          customerId: customerId ?? null,
          meterName,
          quantity: -number(quantity, 0),
          periodId,
          eventId,
          ...body,
          createdAt: iso(),
        });
      },
      totals: ({ query }) => {
        const match = {
          periodId: query.get("periodId") ?? currentPeriod().id,
          agentId: query.get("agentId") ?? undefined,
          meterName: query.get("meterName") ?? undefined,
        };
        return totalsBy(where("event", match), query.get("groupBy")?.split(",") ?? []);
      },
      timeseries: ({ query }) => {
        const match = {
          agentId: query.get("agentId") ?? undefined,
          meterName: query.get("meterName") ?? undefined,
        };
        const dimensions = query.get("groupBy")?.split(",") ?? [];
        const nameOf = (table: string, id: unknown) => (id === null ? null : find(table, id)["name"]);
        return totalsBy(where("event", match), ["day", ...dimensions]).map(({ day, ...total }) => ({
          startsAt: `${day}T00:00:00.000Z`,
          endsAt: new Date(Date.parse(day) + 86_400_000).toISOString(),
          ...total,
          ...(dimensions.includes("agent") && { agentName: nameOf("agent", total.agentId) }),
          ...(dimensions.includes("customer") && { customerName: nameOf("customer", total.customerId) }),
        }));
      },
    },
    billing: {
      getCurrentPeriod: () => withTotals(currentPeriod()),
      getPeriod: ({ params }) => withTotals(find("period", params["periodId"])),
      listPeriods: ({ query }) => {
        currentPeriod();
        return where("period", { status: query.get("status") ?? undefined }).map(withTotals);
      },
      closePeriod: ({ params }) => {
        const period = withTotals(find("period", params["periodId"]));
        if (period["status"] === "closed") return period;
        return change("period", period["id"], {
          status: "closed",
          closedAt: iso(),
          totals: period["totals"],
        });
      },
      preview: ({ query }) => {
        const period = find("period", query.get("periodId") ?? currentPeriod().id);
        return payersOf(period.id)
          .filter(({ customerId }) => customerId === (query.get("customerId") ?? customerId))
          .map(({ customerId, name }) => {
            const [made] = where("invoice", { periodId: period.id, customerId }).filter(
              ({ status }) => status !== "void",
            );
            const lines = linesOf(period.id, customerId);
            return {
              periodId: period.id,
              periodStatus: period["status"],
              startsAt: period["startsAt"],
              endsAt: period["endsAt"],
              customerId,
              name,
              invoiceId: made?.id ?? null,
              currency: "usd",
              lines,
              total: totalOf(lines),
            };
          });
      },
      previewAgents: ({ query }) => {
        const periodId = query.get("periodId") ?? currentPeriod().id;
        const agentId = query.get("agentId") ?? undefined;
        return totalsBy(where("event", { periodId, agentId }), ["agent", "customer"]).map((total) => ({
          periodId,
          agentId: total.agentId,
          agentName: find("agent", total.agentId)["name"],
          customerId: total.customerId,
          meterName: total.meterName,
          used: String(total.quantity),
          adjusted: "0",
          currency: "usd",
          cost: String(total.quantity * Number(unitPriceOf(total.meterName))),
        }));
      },
      createInvoice: ({ params, body }) =>
        invoiceOf(text(params["periodId"]), body["customerId"], body["metadata"]),
      createInvoices: ({ params, body }) => {
        const periodId = text(params["periodId"]);
        const outcomes = payersOf(periodId).map(({ customerId, name }) => {
          const invoice = invoiceOf(periodId, customerId ?? undefined, body["metadata"]);
          return { status: "invoiced", customerId, name, invoice };
        });
        return { periodId: find("period", periodId).id, outcomes, nextCursor: null };
      },
      listUninvoiced: ({ query }) =>
        where("period", { status: "closed" })
          .filter(({ id }) => id === (query.get("periodId") ?? id))
          .flatMap((period) =>
            payersOf(period.id)
              .filter(({ customerId }) =>
                where("invoice", { periodId: period.id, customerId }).every(
                  ({ status }) => status === "void",
                ),
              )
              .map(({ customerId, name, totalUsage }) => ({
                periodId: period.id,
                periodStatus: "closed",
                startsAt: period["startsAt"],
                endsAt: period["endsAt"],
                customerId,
                name,
                invoiceId: null,
                currency: "usd",
                total: "0.00",
                totalUsage,
                usage: Object.entries(totalUsage).map(([meterName, quantity]) => ({ meterName, quantity })),
              })),
          ),
      checkPeriod: ({ params }) => {
        const { id } = find("period", params["periodId"]);
        const invoices = where("invoice", { periodId: id }).filter(({ status }) => status !== "void").length;
        return { periodId: id, invoices, archivedEvents: 0, differences: [], nextCursor: null };
      },
      createAdjustment: ({ body }) => {
        const { customerId } = find("agent", body["agentId"]);
        if (where("meter", { name: body["meterName"] }).length === 0) {
          throw new Refusal("UNPROCESSABLE", `There is no meter "${text(body["meterName"])}".`);
        }
        const { id, status } = body["periodId"] ? find("period", body["periodId"]) : currentPeriod();
        if (status === "closed") throw new Refusal("CONFLICT", "The period is closed.");
        return insert("adjustment", { customerId, eventId: null, ...body, periodId: id, createdAt: iso() });
      },
      listAdjustments: ({ query }) =>
        where(
          "adjustment",
          Object.fromEntries(
            ["agentId", "customerId", "meterName", "periodId", "eventId"].map((name) => [
              name,
              query.get(name) ?? undefined,
            ]),
          ),
        ),
      getInvoice: ({ params }) => find("invoice", params["invoiceId"]),
      listInvoices: ({ query }) => where("invoice", { periodId: query.get("periodId") ?? undefined }),
      voidInvoice: ({ params }) => change("invoice", params["invoiceId"], { status: "void" }),
      issueInvoice: ({ params, body }) => {
        const { id, number } = find("invoice", params["invoiceId"]);
        const dueAt = iso(Number(body["daysUntilDue"] ?? 30) * 86_400);
        return number
          ? find("invoice", id)
          : change("invoice", id, { status: "open", number: "TEST-0001", issuedAt: iso(), dueAt });
      },
      payInvoice: ({ params, body }) => {
        const { id, number } = find("invoice", params["invoiceId"]);
        if (!number) throw new Refusal("CONFLICT", "The invoice is not issued.");
        return change("invoice", id, {
          status: "paid",
          paidAt: body["paidAt"] ?? iso(),
          paymentReference: body["reference"],
        });
      },
      createInvoiceLink: ({ params, body }) => {
        const { id, number } = find("invoice", params["invoiceId"]);
        if (!number) throw new Refusal("CONFLICT", "The invoice is not issued.");
        const expiresIn = Number(body["expiresIn"] ?? 30 * 86_400);
        return { path: `/invoices/${id}?signature=fake`, expiresAt: iso(expiresIn) };
      },
      createCreditNote: ({ params, body }) => {
        const { id: invoiceId, currency } = find("invoice", params["invoiceId"]);
        const amountMinor = Math.round(Number(body["amount"]) * 100);
        return insert("creditNote", {
          invoiceId,
          currency,
          amountMinor,
          status: "issued",
          settlement: null,
          reason: null,
          memo: null,
          stripeCreditNoteId: null,
          ...body,
          createdAt: iso(),
        });
      },
      listCreditNotes: ({ params }) => where("creditNote", { invoiceId: params["invoiceId"] }),
    },
    account: {
      get: () => ownAccount(),
      update: ({ body }) => change("account", ownAccount().id, body),
    },
    customers: {
      create: ({ body }) => insert("customer", { email: null, stripeCustomerId: null, ...body, ...stamps() }),
      list: ({ query }) => where("customer", { name: query.get("name") ?? undefined }),
      get: ({ params }) => find("customer", params["customerId"]),
      update: ({ params, body }) => change("customer", params["customerId"], body),
      setDiscount: ({ params, body }) => agree("discount", params["customerId"], { reason: null, ...body }),
      listDiscounts: ({ params }) =>
        where("discount", { customerId: find("customer", params["customerId"]).id }),
      setMinimum: ({ params, body }) => agree("minimum", params["customerId"], body),
      listMinimums: ({ params }) =>
        where("minimum", { customerId: find("customer", params["customerId"]).id }),
    },
    keys: {
      create: ({ body }) => {
        const secret = token("lk_test_");
        return { ...publicRow(insertKey(body, secret)), key: secret };
      },
      list: () => where("key", {}),
      revoke: ({ params }) => publicRow(change("key", params["keyId"], { revokedAt: iso() })),
    },
    console: {
      createCode: ({ body }) => ({
        code: token("lcc_"),
        role: body["role"] ?? "full",
        expiresAt: iso(60),
      }),
    },
    auditEvents: {
      list: ({ query }) =>
        where("auditEvent", { operation: query.get("operation") ?? undefined }).filter((event) => {
          const resourceId = query.get("resourceId");
          return resourceId === null || z.string().array().parse(event["resourceIds"]).includes(resourceId);
        }),
    },
    webhooks: {
      create: ({ body }) => {
        const secret = `whsec_${Buffer.from(randomUUID()).toString("base64")}`;
        const events = [
          "budget.warning",
          "budget.exceeded",
          "period.closed",
          "invoice.created",
          "invoice.paid",
        ];
        return { ...insert("webhook", { events, ...body, enabled: true, ...stamps() }), secret };
      },
      list: () => where("webhook", {}),
      get: ({ params }) => find("webhook", params["webhookId"]),
      update: ({ params, body }) => change("webhook", params["webhookId"], body),
      delete: ({ params }) => remove("webhook", params["webhookId"]),
    },
  };
}
