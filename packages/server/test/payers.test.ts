import { Account, Customer } from "@licentric/contract";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { closeCurrentPeriod, startTestApi, type TestAccount, type TestApi } from "./support/api.ts";
import { describeOnEachDatabase } from "./support/databases.ts";
import { deliverStripeEvent, STRIPE_WEBHOOK_SECRET, stripeCustomerEvent } from "./support/stripe-events.ts";
import { type StripeStandIn, startStripeStandIn } from "./support/stripe-stand-in.ts";

const BERLIN = { line1: "Invalidenstr. 1", city: "Berlin", postalCode: "10115", country: "DE" };
const VAT = { type: "eu_vat", value: "DE123456789" };

describeOnEachDatabase("payers on $name", (database) => {
  let stripe: StripeStandIn;
  let api: TestApi;
  let account: TestAccount;
  beforeAll(async () => {
    stripe = await startStripeStandIn();
    api = await startTestApi(database, {
      logLevel: "silent",
      stripe: {
        apiKey: "sk_test_standin",
        baseUrl: stripe.url,
        timeout: 500,
        webhookSecret: STRIPE_WEBHOOK_SECRET,
      },
    });
  }, 60_000);
  beforeEach(async () => {
    stripe.reset();
    api.setTime(null);
    account = await api.createAccount();
  });
  afterAll(async () => {
    await api.close();
    await stripe.close();
  });

  const get = async (path: string, token = account.key) =>
    (await api.call("GET", `/api/v1/${path}`, { token })).body.data;
  const patch = (path: string, body: object, token = account.key) =>
    api.call("PATCH", `/api/v1/${path}`, { token, body });
  const post = (path: string, body: object = {}, token = account.key) =>
    api.call("POST", `/api/v1/${path}`, { token, body });
  const invoice = (periodId: string, body: object = {}) => post(`billing/periods/${periodId}/invoice`, body);

  /** Usage of 2.50 by an agent of the customer, or of the account's own. */
  async function use(customerId?: string): Promise<void> {
    const [meter] = await get("meters?name=api_calls");
    await post(`meters/${meter.id}/prices`, { price: { model: "per_unit", unitPrice: "0.25" } });
    const agent = await post("agents", { name: "a", ...(customerId && { customerId }) });
    const recorded = await post("usage/events", {
      events: [{ agentId: agent.body.data.id, meterName: "api_calls", quantity: 10 }],
    });
    expect(recorded.body.data.results[0].status).toBe("recorded");
  }

  /** A payer with usage in a closed period: a customer, or the account itself. */
  async function payerWithUsage(kind: "customer" | "account", details: object = {}) {
    const made = kind === "customer" ? await post("customers", { name: "Zeta", ...details }) : undefined;
    if (kind === "account") await patch("account", { email: null, ...details });
    const customerId: string | undefined = made?.body.data.id;
    await use(customerId);
    const periodId = await closeCurrentPeriod(api, account.key);
    return {
      path: customerId === undefined ? "account" : `customers/${customerId}`,
      resourceId: customerId ?? account.id,
      periodId,
      bill: () => invoice(periodId, customerId === undefined ? {} : { customerId }),
    };
  }

  const stripeCustomer = () => stripe.all("customer")[0] ?? expect.unreachable();
  const audited = async (actor: string) =>
    (await get(`audit-events?limit=100&actor=${actor}`)).map(
      ({ operation, resourceIds }: { operation: string; resourceIds: string[] }) => [operation, resourceIds],
    );

  it("are customers, and the account itself in each mode by itself", async () => {
    expect(await get("account")).toMatchObject({
      id: account.id,
      name: "Acme",
      email: "books@acme.example",
      address: null,
      taxId: null,
      currency: "usd",
      timeZone: "UTC",
      stripeCustomerId: null,
      stripeStatus: "none",
    });
    const change = { name: "Acme Ltd", email: "pay@acme.example", address: BERLIN, taxId: VAT };
    const changed = await patch("account", change);
    expect(changed).toMatchObject({ status: 200, body: { data: change } });
    expect(await get("account")).toEqual(changed.body.data);
    expect(await get("account", account.liveKey)).toMatchObject({ name: "Acme", address: null });
    expect(await audited("key")).toEqual([["account.update", [account.id]]]);

    const made = await post("customers", { ...change, metadata: { po: "7" } });
    expect(made.body.data).toMatchObject({ ...change, stripeStatus: "none" });
    const less = await patch(`customers/${made.body.data.id}`, { address: null, taxId: null });
    expect(less.body.data).toMatchObject({ name: "Acme Ltd", address: null, taxId: null });
  });

  it.each([
    { currency: "xxz" },
    { timeZone: "Mars/Olympus" },
    // To PostgreSQL an abbreviation without summer time.
    { timeZone: "CET" },
    { timeZone: "wet" },
    { email: "nobody" },
    { address: { country: "Germany" } },
    { taxId: { type: "vat", value: "" } },
    { plan: "gold" },
  ])("are not changed to what is not legal: %j", async (change) => {
    const before = await get("account");
    expect(await patch("account", change)).toMatchObject({
      status: 400,
      body: { code: "VALIDATION_ERROR", error: expect.stringContaining(Object.keys(change)[0] ?? "") },
    });
    expect(await get("account")).toEqual(before);
  });

  it.each(["customer", "account"] as const)(
    "without an e-mail address are named before anything goes to Stripe, and billed once there is one: %s",
    async (kind) => {
      const { bill, path } = await payerWithUsage(kind);
      const refused = await bill();
      expect(refused).toMatchObject({
        status: 422,
        body: { code: "UNPROCESSABLE", details: { rule: "email_required" } },
      });
      expect(refused.body.error).toContain(
        kind === "customer" ? 'The customer "Zeta"' : 'The account "Acme"',
      );
      expect(stripe.requests).toEqual([]);
      expect((await patch(path, { email: "pay@zeta.example" })).status).toBe(200);
      expect(await bill()).toMatchObject({ status: 201, body: { data: { status: "open", total: "2.50" } } });
      expect(stripeCustomer()).toMatchObject({ email: "pay@zeta.example" });
      expect(stripe.all("invoice")).toHaveLength(1);
    },
  );

  it.each(["customer", "account"] as const)(
    "are made in Stripe with all that is known of them: %s",
    async (kind) => {
      const details = { email: "pay@zeta.example", address: BERLIN, taxId: VAT };
      const { bill, path } = await payerWithUsage(kind, details);
      expect((await bill()).status).toBe(201);
      expect(stripeCustomer()).toMatchObject({
        email: details.email,
        address: { line1: "Invalidenstr. 1", city: "Berlin", postal_code: "10115", country: "DE" },
      });
      expect(stripe.all("tax_id")).toMatchObject([VAT]);
      expect(await get(path)).toMatchObject({ ...details, stripeStatus: "linked" });
    },
  );

  it.each(["customer", "account"] as const)(
    "are in step with Stripe, whichever side changes: %s",
    async (kind) => {
      const { bill, path, resourceId } = await payerWithUsage(kind, { email: "old@zeta.example" });
      await bill();
      const { id } = stripeCustomer();
      const here = { name: "Zeta GmbH", email: "new@zeta.example", address: BERLIN, taxId: VAT };
      expect(await patch(path, here)).toMatchObject({
        status: 200,
        body: { data: { stripeStatus: "linked" } },
      });
      expect(stripe.objects.get(id)).toMatchObject({
        name: "Zeta GmbH",
        email: "new@zeta.example",
        address: { city: "Berlin" },
      });
      expect(stripe.all("tax_id")).toMatchObject([VAT]);

      // Stripe tells of our own change: nothing is written anywhere.
      const before = [await get(path), await audited("stripe")];
      const asked = stripe.requests.length;
      await deliverStripeEvent(api, stripeCustomerEvent("customer.updated", stripeCustomer()));
      expect([await get(path), await audited("stripe")]).toEqual(before);
      expect(stripe.requests.slice(asked).map(({ call }) => call)).toEqual(["GET /v1/customers/:id"]);

      stripe.change(id, { email: "theirs@zeta.example", name: "Renamed there", address: { city: "Bonn" } });
      const news = stripeCustomerEvent("customer.updated", stripeCustomer());
      for (let times = 0; times < 2; times += 1)
        expect((await deliverStripeEvent(api, news)).status).toBe(200);
      expect(await get(path)).toMatchObject({
        name: "Zeta GmbH",
        email: "theirs@zeta.example",
        address: { city: "Bonn" },
        taxId: VAT,
      });
      expect((await audited("stripe"))[0]).toEqual(["customer.updated", [resourceId]]);
      expect(await audited("stripe")).toHaveLength(before[1].length + 1);
      expect(stripe.requests.slice(asked).filter(({ call }) => !call.startsWith("GET"))).toEqual([]);

      expect((await patch(path, { taxId: null, address: null })).status).toBe(200);
      expect(stripe.all("tax_id")).toEqual([]);
      expect(stripeCustomer()["address"]).toBeNull();
    },
  );

  it.each([
    { kind: "customer", schema: Customer },
    { kind: "account", schema: Account },
  ] as const)(
    "are answered as the wire promises, whatever Stripe holds of them: $kind",
    async ({ kind, schema }) => {
      const { bill, path } = await payerWithUsage(kind, { email: "r&d@firm.example" });
      expect((await bill()).status).toBe(201);
      const { id } = stripeCustomer();
      const email = "müller..m@bücher.example";
      stripe.change(id, { email, address: { line1: `${"x".repeat(199)}😀`, country: "Germany" } });
      const taxId = { type: "de_2027", value: "x".repeat(60) };
      const tax_id = { ...taxId, id: "txi_1", object: "tax_id", customer: id, created: 1, metadata: {} };
      stripe.objects.set(tax_id.id, tax_id);
      expect(await deliverStripeEvent(api, stripeCustomerEvent("customer.updated", { id }))).toMatchObject({
        status: 200,
      });
      const found = await get(path);
      expect(found).toMatchObject({ email, taxId, stripeStatus: "linked" });
      expect(schema.parse(found)).toEqual(found);
    },
  );

  it("keep a change that Stripe could not take, and it goes there before the next invoice", async () => {
    const { bill, path } = await payerWithUsage("customer", { email: "old@zeta.example" });
    await bill();
    stripe.addFault({ on: "POST /v1/customers/:id", kind: "close-before", times: 3 });
    expect(await patch(path, { email: "new@zeta.example" })).toMatchObject({
      status: 200,
      body: { data: { email: "new@zeta.example", stripeStatus: "pending" } },
    });
    // Older news of Stripe's do not take it back.
    stripe.addFault({ on: "POST /v1/customers/:id", kind: "close-before", times: 3 });
    const stale = stripeCustomerEvent("customer.updated", stripeCustomer());
    expect((await deliverStripeEvent(api, stale)).status).toBe(502);
    expect(await get(path)).toMatchObject({ email: "new@zeta.example", stripeStatus: "pending" });

    await use(path.split("/")[1]);
    const customerId = path.split("/")[1];
    expect(await invoice(await closeCurrentPeriod(api, account.key), { customerId })).toMatchObject({
      status: 201,
    });
    expect(stripeCustomer()["email"]).toBe("new@zeta.example");
    expect(await get(path)).toMatchObject({ stripeStatus: "linked" });
  });

  it("are told what Stripe refuses of a change, which is kept", async () => {
    const { bill, path } = await payerWithUsage("customer", { email: "pay@zeta.example" });
    await bill();
    const refused = await patch(path, { taxId: { type: "eu_vat", value: "1" } });
    expect(refused).toMatchObject({
      status: 422,
      body: {
        error: expect.stringContaining("tax ID value is invalid"),
        details: { stripeCode: "tax_id_invalid" },
      },
    });
    expect(await get(path)).toMatchObject({ taxId: { value: "1" }, stripeStatus: "pending" });
    expect((await patch(path, { taxId: VAT })).status).toBe(200);
    expect(stripe.all("tax_id")).toMatchObject([VAT]);
  });

  it("who are in Stripe already bring Stripe's details, and ours where Stripe has none", async () => {
    const stripeCustomerId = stripe.addCustomer({ email: "theirs@zeta.example" });
    const made = await post("customers", {
      name: "Zeta",
      email: "ours@zeta.example",
      address: BERLIN,
      stripeCustomerId,
    });
    const { id: customerId } = made.body.data;
    const expected = { email: "theirs@zeta.example", address: BERLIN, stripeStatus: "linked" };
    expect(made).toMatchObject({ status: 201, body: { data: expected } });
    expect(stripeCustomer()).toMatchObject({ email: "theirs@zeta.example", address: { city: "Berlin" } });
    await use(customerId);
    expect((await invoice(await closeCurrentPeriod(api, account.key), { customerId })).status).toBe(201);
    expect(await get(`customers/${customerId}`)).toMatchObject(expected);
    expect(stripe.all("customer")).toHaveLength(1);
  });

  it("who are in Stripe already are linked later where Stripe does not answer", async () => {
    const stripeCustomerId = stripe.addCustomer({ email: "theirs@zeta.example" });
    stripe.addFault({ on: "GET /v1/customers/:id", kind: "close-before", times: 100 });
    const made = await post("customers", { name: "Zeta", stripeCustomerId });
    expect(made).toMatchObject({ status: 201, body: { data: { email: null, stripeStatus: "pending" } } });
    stripe.clearFaults();
    await use(made.body.data.id);
    const billed = await invoice(await closeCurrentPeriod(api, account.key), {
      customerId: made.body.data.id,
    });
    expect(billed.status).toBe(201);
    expect(stripeCustomer().metadata).toMatchObject({ licentric_payer_id: made.body.data.id });
  }, 60_000);

  it.each(["customer", "account"] as const)(
    "who were deleted in Stripe are seen, and made anew: %s",
    async (kind) => {
      const { bill, path, resourceId } = await payerWithUsage(kind, { email: "pay@zeta.example" });
      await bill();
      const { id } = stripeCustomer();
      stripe.deleteCustomer(id);
      await deliverStripeEvent(api, stripeCustomerEvent("customer.deleted", { id }));
      expect(await get(path)).toMatchObject({ stripeCustomerId: id, stripeStatus: "missing" });
      expect((await audited("stripe"))[0]).toEqual(["customer.missing", [resourceId]]);

      await use(kind === "customer" ? resourceId : undefined);
      const next = await closeCurrentPeriod(api, account.key);
      const billNext = () => invoice(next, kind === "customer" ? { customerId: resourceId } : {});
      const refused = await billNext();
      expect(refused).toMatchObject({
        status: 422,
        body: { details: { rule: "stripe_customer_missing", stripeCustomerId: id } },
      });
      expect(refused.body.error).toContain("null to have one made anew");

      expect((await patch(path, { stripeCustomerId: null })).body.data).toMatchObject({
        stripeStatus: "none",
      });
      expect(await billNext()).toMatchObject({ status: 201, body: { data: { status: "open" } } });
      expect(stripe.all("customer")).toHaveLength(1);
      expect(stripeCustomer().id).not.toBe(id);
      expect(await get(path)).toMatchObject({
        stripeCustomerId: stripeCustomer().id,
        stripeStatus: "linked",
      });
    },
  );

  it("and their half-made invoice begin again after all test data was deleted", async () => {
    const { bill, path } = await payerWithUsage("account", { email: "pay@zeta.example" });
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "close-before", times: 3 });
    expect((await bill()).status).toBe(502);
    stripe.deleteAllTestData();
    expect(await bill()).toMatchObject({
      status: 422,
      body: { details: { rule: "stripe_customer_missing" } },
    });
    await patch(path, { stripeCustomerId: null });
    expect(await bill()).toMatchObject({ status: 201, body: { data: { status: "open", total: "2.50" } } });
    expect(stripe.all("invoice").map((one) => one["customer"])).toEqual([stripeCustomer().id]);
    expect(stripe.all("invoiceitem")).toHaveLength(1);
  });

  it("who change to another Stripe customer take a half-made invoice with them", async () => {
    const { bill, path } = await payerWithUsage("customer", { email: "pay@zeta.example" });
    stripe.addFault({ on: "POST /v1/invoices/:id/finalize", kind: "close-before", times: 3 });
    expect((await bill()).status).toBe(502);
    const first = stripeCustomer().id;
    await patch(path, { stripeCustomerId: null });
    expect((await bill()).status).toBe(201);
    const invoices = stripe.all("invoice");
    expect(invoices.map(({ status }) => status)).toEqual(["open"]);
    expect(invoices[0]?.["customer"]).not.toBe(first);
    expect(stripe.all("invoiceitem")).toHaveLength(1);
  });

  const newCustomer = async (name: string, token = account.key): Promise<string> =>
    (await post("customers", { name }, token)).body.data.id;
  const ownerOf = async (path: string) => ({
    licentric_account_id: account.id,
    licentric_payer_id: path.split("/")[1] ?? (await environmentId()),
  });
  const environmentId = async () => {
    const found = "SELECT id FROM environments WHERE account_id = $1 AND mode = 'test'";
    const [environment] = await api.db.query<{ id: string }>(found, [account.id]);
    return environment?.id ?? expect.unreachable();
  };

  /** Expects that whoever has the key cannot link the Stripe customer by any call, and is told nothing of its holder. */
  async function expectTaken(stripeCustomerId: string, token = account.key, path?: string) {
    const other = path ?? `customers/${await newCustomer("Mallory", token)}`;
    const before = [await get(other, token), await get("customers", token)];
    const asked = stripe.requests.length;
    for (const refused of [
      await post("customers", { name: "Mallory", stripeCustomerId }, token),
      await patch(other, { stripeCustomerId, email: "mallory@evil.example" }, token),
    ]) {
      expect(refused).toMatchObject({
        status: 422,
        body: { code: "UNPROCESSABLE", details: { rule: "stripe_customer_taken", stripeCustomerId } },
      });
      expect(refused.body.error).toContain("null");
      expect(JSON.stringify(refused.body)).not.toMatch(/zeta|acme/i);
    }
    expect([await get(other, token), await get("customers", token)]).toEqual(before);
    expect(stripe.requests.slice(asked).filter(({ call }) => !call.startsWith("GET"))).toEqual([]);
  }

  it.each(["customer", "account"] as const)(
    "hold their Stripe customer alone, whatever its metadata: %s",
    async (kind) => {
      const stripeCustomerId = stripe.addCustomer({ email: "pay@zeta.example" });
      const path = kind === "account" ? "account" : `customers/${await newCustomer("Zeta")}`;
      expect((await patch(path, { stripeCustomerId })).body.data).toMatchObject({
        stripeCustomerId,
        stripeStatus: "linked",
        email: "pay@zeta.example",
      });
      expect(stripeCustomer().metadata).toMatchObject(await ownerOf(path));
      const other = await api.createAccount({ name: "Other" });
      for (const metadata of [stripeCustomer().metadata, {}]) {
        stripe.change(stripeCustomerId, { metadata });
        await expectTaken(stripeCustomerId);
        await expectTaken(stripeCustomerId, other.key);
        await expectTaken(stripeCustomerId, other.key, "account");
      }
      // What is held already can be said again.
      expect((await patch(path, { stripeCustomerId })).status).toBe(200);
      await use(path.split("/")[1]);
      const customerId = path.split("/")[1];
      const billed = await invoice(
        await closeCurrentPeriod(api, account.key),
        customerId ? { customerId } : {},
      );
      expect(billed.status).toBe(201);
      expect(stripeCustomer()["email"]).toBe("pay@zeta.example");
    },
    60_000,
  );

  it("hold the one that another server's account says is its own", async () => {
    const metadata = { licentric_account_id: "0198a1f2-7c3e-7d8a-9b61-0f6c2d4e8a10" };
    await expectTaken(stripe.addCustomer({ metadata }));
  });

  it("hold the one that was made for them while its answer was lost", async () => {
    const { bill } = await payerWithUsage("customer", { email: "pay@zeta.example" });
    stripe.addFault({ on: "POST /v1/customers", kind: "close-after" });
    stripe.addFault({ on: "POST /v1/customers", kind: "close-before", times: 100 });
    expect((await bill()).status).toBe(502);
    await expectTaken(stripeCustomer().id);
    stripe.clearFaults();
    expect((await bill()).status).toBe(201);
    expect(stripe.all("customer")).toHaveLength(1);
  }, 60_000);

  it("who name one Stripe customer at once: one of them has it", async () => {
    const other = await api.createAccount();
    for (let round = 0; round < 5; round += 1) {
      const stripeCustomerId = stripe.addCustomer();
      const answers = await Promise.all(
        [account.key, other.key, account.key, other.key].map((token) =>
          post("customers", { name: "Zeta", stripeCustomerId }, token),
        ),
      );
      expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 422, 422, 422]);
      const { id } = answers.find(({ status }) => status === 201)?.body.data ?? expect.unreachable();
      expect(stripe.objects.get(stripeCustomerId)?.metadata["licentric_payer_id"]).toBe(id);
    }
  });

  it("make a customer of Stripe's theirs once for a repeated request", async () => {
    const stripeCustomerId = stripe.addCustomer();
    const create = () =>
      api.call("POST", "/api/v1/customers", {
        token: account.key,
        body: { name: "Zeta", stripeCustomerId },
        headers: { "idempotency-key": `link-${stripeCustomerId}` },
      });
    const first = await create();
    expect(await create()).toMatchObject({ status: 201, body: first.body });
  });

  it("who are taken off their Stripe customer leave it to others of their account alone", async () => {
    const stripeCustomerId = stripe.addCustomer();
    const [first, second] = [await newCustomer("Zeta"), await newCustomer("Eta")];
    await patch(`customers/${first}`, { stripeCustomerId });
    await patch(`customers/${first}`, { stripeCustomerId: null });
    await expectTaken(stripeCustomerId, (await api.createAccount({ name: "Other" })).key);
    expect(await patch(`customers/${second}`, { stripeCustomerId })).toMatchObject({
      status: 200,
      body: { data: { stripeStatus: "linked" } },
    });
    expect(stripeCustomer().metadata["licentric_payer_id"]).toBe(second);
    await expectTaken(stripeCustomerId, account.key, `customers/${first}`);
  });

  it("link back what Stripe says is theirs, also where another account named it while Stripe was away", async () => {
    const stripeCustomerId = stripe.addCustomer({ email: "pay@zeta.example" });
    const [zeta, eta] = [await newCustomer("Zeta"), await newCustomer("Eta")];
    await patch(`customers/${zeta}`, { stripeCustomerId });
    await patch(`customers/${zeta}`, { stripeCustomerId: null });
    const other = await api.createAccount({ name: "Other" });
    const squatter = await newCustomer("Mallory", other.key);
    stripe.addFault({ on: "GET /v1/customers/:id", kind: "close-before", times: 100 });
    expect((await patch(`customers/${squatter}`, { stripeCustomerId }, other.key)).body.data).toMatchObject({
      email: null,
      stripeStatus: "pending",
    });
    expect(await patch(`customers/${zeta}`, { stripeCustomerId })).toMatchObject({
      status: 503,
      body: { code: "UNAVAILABLE", error: expect.stringContaining("Nothing was changed") },
    });
    stripe.clearFaults();
    for (const id of [zeta, eta]) {
      expect(await patch(`customers/${id}`, { stripeCustomerId })).toMatchObject({
        status: 200,
        body: { data: { email: "pay@zeta.example", stripeStatus: "linked" } },
      });
      await patch(`customers/${id}`, { stripeCustomerId: null });
    }
    expect(stripeCustomer().metadata["licentric_payer_id"]).toBe(eta);
    const change = { email: "mallory@evil.example" };
    expect((await patch(`customers/${squatter}`, change, other.key)).body.data).toMatchObject({
      stripeStatus: "missing",
    });
    expect(stripeCustomer()["email"]).toBe("pay@zeta.example");
  }, 60_000);

  /** Links without asking anybody, as servers of before did. */
  const linkAsBefore = (customerId: string, stripeCustomerId: string) =>
    api.db.query("UPDATE customers SET stripe_customer_id = $2 WHERE id = $1", [
      customerId,
      stripeCustomerId,
    ]);

  it("of two accounts who held one before are apart, until its metadata says whose it is", async () => {
    const stripeCustomerId = stripe.addCustomer({ email: "pay@zeta.example" });
    const other = await api.createAccount({ name: "Other" });
    const [ours, theirs] = [await newCustomer("Zeta"), await newCustomer("Mallory", other.key)];
    await linkAsBefore(ours, stripeCustomerId);
    await linkAsBefore(theirs, stripeCustomerId);
    const change = { email: "mallory@evil.example" };
    expect((await patch(`customers/${theirs}`, change, other.key)).body.data).toMatchObject({
      ...change,
      stripeStatus: "missing",
    });
    await deliverStripeEvent(api, stripeCustomerEvent("customer.updated", stripeCustomer()));
    expect(await get(`customers/${ours}`)).toMatchObject({ email: null, stripeStatus: "missing" });
    expect(stripeCustomer()).toMatchObject({ email: "pay@zeta.example", metadata: {} });

    stripe.change(stripeCustomerId, { metadata: { licentric_account_id: account.id } });
    await deliverStripeEvent(api, stripeCustomerEvent("customer.updated", stripeCustomer()));
    expect(await get(`customers/${ours}`)).toMatchObject({
      email: "pay@zeta.example",
      stripeStatus: "linked",
    });
    expect(await get(`customers/${theirs}`, other.key)).toMatchObject({ ...change, stripeStatus: "missing" });
  });

  it("of one account who shared one before go on", async () => {
    const stripeCustomerId = stripe.addCustomer({ email: "pay@zeta.example" });
    const both = [await newCustomer("Zeta"), await newCustomer("Eta")];
    for (const id of both) await linkAsBefore(id, stripeCustomerId);
    for (const id of both) {
      expect((await patch(`customers/${id}`, { address: BERLIN })).body.data).toMatchObject({
        email: "pay@zeta.example",
        stripeStatus: "linked",
      });
    }
  });

  it("have a new currency and time zone from the next period on", async () => {
    api.setTime("2026-05-10T12:00:00.000Z");
    account = await api.createAccount();
    await use();
    const may = await get("billing/periods/current");
    expect(may).toMatchObject({ currency: "usd", timeZone: "UTC", endsAt: "2026-06-01T00:00:00.000Z" });
    const changed = await patch("account", { currency: "eur", timeZone: "America/New_York" });
    expect(changed.body.data).toMatchObject({ currency: "eur", timeZone: "America/New_York" });
    api.setTime("2026-06-01T01:00:00.000Z");
    await use();
    const june = await get("billing/periods/current");
    // Still May in New York: June begins where May ended, and ends with New York's June.
    expect(june).toMatchObject({
      currency: "eur",
      timeZone: "America/New_York",
      startsAt: "2026-06-01T00:00:00.000Z",
      endsAt: "2026-07-01T04:00:00.000Z",
    });
    expect(await get(`billing/periods/${may.id}`)).toMatchObject({ currency: "usd", timeZone: "UTC" });
    await post(`billing/periods/${may.id}/close`);
    expect((await invoice(may.id)).body.data).toMatchObject({ currency: "usd", total: "2.50" });
    expect((await get(`usage/totals?periodId=${june.id}&groupBy=day`))[0]).toMatchObject({
      day: "2026-05-31",
    });
  });
});
