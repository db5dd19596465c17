import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import {
  closeCurrentPeriod,
  startTestApi,
  type TestAccount,
  type TestApi,
  type TestPeer,
} from "./support/api.ts";
import { describeOnPostgres } from "./support/databases.ts";
import { repeatToStripeAtOnce } from "./support/stripe-retries.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

describeOnPostgres("two servers that send one month on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  let peer: TestPeer;
  let account: TestAccount;
  let customers: string[];
  let periodId: string;
  beforeAll(async () => {
    repeatToStripeAtOnce();
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: { apiKey: "sk_test_standin", baseUrl: stripe.url, timeout: 5_000 },
    });
    peer = await api.startPeer();
  }, 60_000);
  afterAll(async () => {
    await peer.close();
    await api.close();
    await stripe.close();
  });

  const post = (path: string, body: object = {}, on: Pick<TestApi, "call"> = api) =>
    on.call("POST", `/api/v1/${path}`, { token: account.key, body });
  const billAll = (on: Pick<TestApi, "call"> = api) => post(`billing/periods/${periodId}/invoices`, {}, on);
  const check = async () =>
    (await api.call("GET", `/api/v1/billing/periods/${periodId}/check`, { token: account.key })).body.data;

  beforeEach(async () => {
    stripe.reset();
    account = await api.createAccount();
    await post("meters", { name: "pages", price: { model: "per_unit", unitPrice: "2" } });
    customers = [];
    for (const name of ["Acme", "Zeta", "Eta"]) {
      const made = await post("customers", { name, email: "pay@them.example" });
      customers.push(made.body.data.id);
      const agent = await post("agents", { name: "a", customerId: made.body.data.id });
      await post("usage/events", { events: [{ agentId: agent.body.data.id, meterName: "pages" }] });
    }
    periodId = await closeCurrentPeriod(api, account.key);
  });

  it("make one invoice of each payer between them", async () => {
    for (const on of ["POST /v1/customers", "POST /v1/invoices", "POST /v1/invoices/:id/finalize"])
      stripe.addFault({ on, kind: "close-after" });
    const answers = await Promise.all([api, peer, api, peer].map((on) => billAll(on)));
    for (const { status } of answers) expect(status).toBe(200);
    const done = (await billAll(peer)).body.data;
    expect(done.outcomes.map(({ status }: { status: string }) => status)).toEqual(
      customers.map(() => "invoiced"),
    );
    expect(stripe.all("invoice").map(({ status, total }) => [status, total])).toEqual(
      customers.map(() => ["open", 200]),
    );
    expect(stripe.all("customer")).toHaveLength(3);
    expect(await check()).toMatchObject({ invoices: 3, differences: [] });
  });

  /** Holds back the other server before its first statement that matches, until something is done. */
  function holdBack(statement: RegExp, meanwhile: () => Promise<unknown>): () => void {
    const { query } = peer.db;
    let held = false;
    peer.db.query = async (text, values) => {
      if (!held && statement.test(`${text} ${values?.join()}`)) {
        held = true;
        await meanwhile();
      }
      return query(text, values);
    };
    return () => {
      peer.db.query = query;
      expect(held).toBe(true);
    };
  }
  const relink = (stripeCustomerId: string | null) =>
    api.call("PATCH", `/api/v1/customers/${customers[0]}`, {
      token: account.key,
      body: { stripeCustomerId },
    });
  const bill = (on: Pick<TestApi, "call">) =>
    post(`billing/periods/${periodId}/invoice`, { customerId: customers[0] }, on);

  const moments: [when: string, statement: RegExp][] = [
    ["its customer is noted", /UPDATE invoices SET stripe_customer_id = \$2/],
    ["its draft is made", /INSERT INTO stripe_steps.*,invoice,/s],
    ["its draft is noted", /UPDATE invoices SET stripe_invoice_id = \$2/],
    ["its item is made", /INSERT INTO stripe_steps.*,item:pages,/s],
    ["its item is noted", /UPDATE invoices SET stripe_items/],
    ["it is finalized", /INSERT INTO stripe_steps.*,finalize,/s],
  ];
  const relinked = moments.flatMap(([when, statement]) => [
    { when, statement, state: "finalized" },
    { when, statement, state: "a draft" },
  ]);
  it.each(relinked)(
    "make one invoice of a payer who becomes another Stripe customer before $when, where it is $state by then",
    async ({ statement, state }) => {
      const restore = holdBack(statement, async () => {
        await relink(stripe.addCustomer({ email: "pay@them.example" }));
        const times = state === "finalized" ? 0 : 3;
        stripe.addFault({ on: "POST /v1/invoiceitems", kind: "close-before", times });
        expect((await bill(api)).status).toBe(times === 0 ? 201 : 502);
      });
      await bill(peer);
      restore();
      const [last, again] = [await bill(api), await bill(peer)];
      expect(last).toMatchObject({ status: 201, body: { data: { status: "open", total: "2.00" } } });
      expect(again.body).toEqual(last.body);
      expect(stripe.all("invoice").map(({ id, status, total }) => ({ id, status, total }))).toEqual([
        { id: last.body.data.stripeInvoiceId, status: "open", total: 200 },
      ]);
      expect((await check()).differences.filter(({ kind }: { kind: string }) => kind === "stripe")).toEqual(
        [],
      );
    },
  );
});
