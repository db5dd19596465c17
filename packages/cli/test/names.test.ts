import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(async () => {
  await api?.close();
  await killRunning();
}, 60_000);

const SLOW = { timeout: 120_000 };

describe("a name in place of an id", SLOW, () => {
  it("names a customer and an agent, exactly", async () => {
    const acme = await api.client.customers.create({ name: "Acme" });
    await api.client.customers.create({ name: "Acme Labs" });
    const agent = await api.json("agents", "create", "Travel planner", "--customer", "Acme");
    expect(agent).toMatchObject({ customerId: acme.id });
    const { id } = agent as { id: string };
    expect(await api.json("agents", "show", "Travel planner")).toEqual(agent);
    expect(await api.json("customers", "show", "Acme")).toMatchObject({ id: acme.id });
    expect(await api.json("customers", "update", "Acme", "--email", "pay@acme.example")).toMatchObject({
      email: "pay@acme.example",
    });
    expect(await api.json("customers", "list", "--name", "Acme")).toMatchObject({ data: [{ id: acme.id }] });
    expect(await api.json("authorize", "Travel planner")).toMatchObject({ agentId: id });
    expect(await api.json("credentials", "list", "Travel planner")).toMatchObject({
      data: [{ agentId: id }],
    });
    expect(await api.json("budgets", "create", "Travel planner", "--limit", "5")).toMatchObject({
      agentId: id,
    });
    expect(await api.json("budgets", "list", "--agent", "Travel planner")).toMatchObject({
      data: [{ agentId: id }],
    });
    expect(await api.json("agents", "list", "--customer", "Acme")).toMatchObject({ data: [{ id }] });
    expect(await api.json("meters", "show", "api_calls")).toMatchObject({ name: "api_calls" });

    const adjust = [
      "usage",
      "adjust",
      "Travel planner",
      "--meter",
      "api_calls",
      "--by",
      "1",
      "--reason",
      "a slip",
    ];
    expect(await api.json(...adjust, "--customer", "Acme Labs")).toMatchObject({
      agentId: id,
      customerId: (await api.client.customers.list({ name: "Acme Labs" })).data[0]?.id,
    });
    expect(await api.json(...adjust, "--customer", "none")).toMatchObject({ agentId: id, customerId: null });

    for (const near of ["acme", "Acm", "Acme  Labs"]) {
      const refused = await api.run("customers", "show", near);
      expect(refused).toMatchObject({ code: 4, stdout: "", stderr: expect.stringContaining(near) });
    }
    // A filter by nobody must not pass for an empty list.
    expect(await api.run("agents", "list", "--customer", "Acmee")).toMatchObject({ code: 4, stdout: "" });
    expect(await api.run("invoice", "list", "--customer", "Acmee")).toMatchObject({ code: 4, stdout: "" });
    expect(await api.run("usage", "timeseries", "--agent", "Travel")).toMatchObject({ code: 4, stdout: "" });
  });

  it("that several have is never guessed: the error lists their ids", async () => {
    const twins = [
      await api.client.agents.create({ name: "Twin" }),
      await api.client.agents.create({ name: "Twin" }),
    ];
    const { stdout, stderr, code } = await api.run("agents", "delete", "Twin", "--yes");
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 });
    for (const { id } of twins) {
      expect(stderr).toContain(id);
      expect(await api.client.agents.get(id)).toMatchObject({ status: "active" });
    }
  });

  it("that is another one's id is that id", async () => {
    const other = await api.client.agents.create({ name: "Other" });
    await api.client.agents.create({ name: other.id });
    expect(await api.json("agents", "show", other.id)).toMatchObject({ name: "Other" });
  });

  it("needs a key that may list; a key that may not goes on with ids", async () => {
    const agent = await api.client.agents.create({ name: "Scoped" });
    const { key } = await api.client.keys.create({ scopes: ["agents:write"] });
    const env = { ...api.env, LICENTRIC_API_KEY: key.reveal() };
    expect(await licentric(["agents", "suspend", agent.id], env).ended()).toMatchObject({ code: 0 });
    expect(await licentric(["agents", "resume", "Scoped"], env).ended()).toMatchObject({ code: 4 });
  });

  it("names a period by its month, and lists both of a month that was closed early", async () => {
    const { id, startsAt = "" } = await api.client.billing.getCurrentPeriod();
    const month = startsAt.slice(0, 7);
    expect(await api.json("period", "show", month)).toMatchObject({ id });
    expect(await api.run("period", "show", "1999-01")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("1999-01"),
    });
    expect(await api.json("close", month, "--yes")).toMatchObject({ id, status: "closed" });
    const { id: rest } = await api.client.billing.getCurrentPeriod();
    const refused = await api.run("close", month, "--yes");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    for (const one of [id, rest]) expect(refused.stderr).toContain(one);
    expect(await api.client.billing.getPeriod(rest)).toMatchObject({ status: "open" });
  });
});

describe("usage over time and CSV", SLOW, () => {
  it("records usage once under a key, and shows it by day and hour with names", async () => {
    const customer = await api.client.customers.create({ name: '=cmd|" /C calc"!A0' });
    const agent = await api.client.agents.create({ name: "Counted, often", customerId: customer.id });
    await api.client.meters.create({ name: "pages", price: { model: "per_unit", unitPrice: "0.25" } });
    const record = ["usage", "record", "Counted, often", "--meter", "pages", "--quantity", "1200"];
    expect(await api.json(...record, "--idempotency-key", "job-1")).toMatchObject({
      status: "recorded",
      event: { agentId: agent.id, quantity: 1_200 },
    });
    expect((await api.run(...record, "--idempotency-key", "job-1")).stdout).toMatch(/^Recorded before/);

    const narrowed = ["--agent", "Counted, often", "--by", "customer", "agent"];
    for (const interval of ["hour", "day", "month"]) {
      const rows = await api.json("usage", "timeseries", "--interval", interval, ...narrowed);
      expect(rows).toMatchObject([
        { meterName: "pages", quantity: 1_200, agentName: "Counted, often", customerId: customer.id },
      ]);
    }
    const shown = await api.run("usage", "timeseries", ...narrowed);
    expect(shown.stdout).toMatch(
      /^FROM +METER +CUSTOMER +CUSTOMER ID +AGENT +AGENT ID +QUANTITY +EVENTS\n.*1,200 +1\n$/,
    );
    const { stdout } = await api.run("usage", "timeseries", ...narrowed, "--csv");
    expect(stdout.split("\r\n")).toEqual([
      "startsAt,endsAt,meterName,customerName,customerId,agentName,agentId,quantity,eventCount",
      expect.stringMatching(
        new RegExp(
          `^\\d{4}-\\d\\d-\\d\\dT00:00:00.000Z,[^,]+,pages,"'=cmd\\|"" /C calc""!A0",${customer.id},"Counted, often",${agent.id},1200,1$`,
        ),
      ),
      "",
    ]);
    const totals = await api.run("usage", "totals", "--meter", "pages", "--by", "agent", "--csv");
    expect(totals.stdout).toBe(`meterName,agentId,quantity,eventCount\r\npages,${agent.id},1200,1\r\n`);
    const events = await api.run("usage", "events", "--meter", "pages", "--csv");
    expect(events.stdout).toMatch(
      /^timestamp,meterName,quantity,agentId,periodId,idempotencyKey,createdAt,id\r\n[^,]+,pages,1200,.*,job-1,.*\r\n$/,
    );
    expect(await api.run("usage", "totals", "--csv", "--json")).toMatchObject({ code: 2, stdout: "" });
    const long = await api.run("usage", "timeseries", "--interval", "hour", "--from", "2001-01-01");
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining("7 days") });
    expect(await api.run("usage", "timeseries", "--from", "soon")).toMatchObject({ code: 2, stdout: "" });

    const { id: periodId } = await api.client.billing.getCurrentPeriod();
    await api.client.billing.closePeriod(periodId);
    const { id = "" } = await api.client.billing.createInvoice(periodId, { customerId: customer.id });
    const listed = await api.run("invoice", "list", "--customer", customer.id, "--csv");
    expect(listed.stdout).toMatch(
      new RegExp(
        `^id,status,currency,total,credited,periodId,customerId,memo,createdAt\r\n${id},computed,usd,300.00,[^,]*,${periodId},${customer.id},,[^,]+\r\n$`,
      ),
    );
    const lines = await api.run("invoice", "show", id, "--csv");
    expect(lines.stdout).toBe(
      `invoiceId,meterName,description,quantity,unitPrice,amount,currency\r\n${id},pages,pages,1200,0.25,300.00,usd\r\n`,
    );

    expect(await api.run("invoice", "credit", id, "--amount", "12.50")).toMatchObject({
      code: 2,
      stdout: "",
    });
    const note = await api.json("invoice", "credit", id, "--amount", "12.50", "--memo", "Sorry", "--yes");
    expect(note).toMatchObject({ invoiceId: id, amount: "12.50", memo: "Sorry" });
    expect(await api.json("invoice", "credits", id)).toMatchObject({ data: [note] });
    expect((await api.run("invoice", "credits", id)).stdout).toContain("12.50 USD");
  });
});

describe("what the API does", SLOW, () => {
  it("renames an agent, gives it to a customer and takes it away", async () => {
    const customer = await api.client.customers.create({ name: "New owner" });
    const { id } = await api.client.agents.create({ name: "Old name" });
    const update = ["agents", "update", "Old name"];
    expect(await api.run(...update)).toMatchObject({ code: 2, stdout: "" });
    expect(await api.json(...update, "--customer", "New owner")).toMatchObject({
      id,
      customerId: customer.id,
    });
    expect(await api.json(...update, "--customer", "none", "--name", "New name")).toMatchObject({
      id,
      name: "New name",
      customerId: null,
    });
    expect(await api.json("audit", "list", "--resource", id, "--operation", "agents.update")).toMatchObject({
      data: [{ operation: "agents.update" }, { operation: "agents.update" }],
    });
    expect((await api.run("audit", "list", "--resource", id)).stdout).toContain("agents.create");
  });

  it("makes, shows, changes and removes a webhook and a budget", async () => {
    const url = "https://example.com/hook";
    expect(await api.run("webhooks", "create", url)).toMatchObject({ code: 2, stdout: "" });
    const made = (await api.json("webhooks", "create", url, "--event", "invoice.paid")) as { id: string };
    expect(made).toMatchObject({ url, events: ["invoice.paid"], secret: expect.stringMatching(/^whsec_/) });
    expect((await api.run("webhooks", "show", made.id)).stdout).toContain(url);
    expect((await api.run("webhooks", "deliveries", made.id)).stdout).toBe("Nothing was sent there.\n");
    expect(await api.run("webhooks", "resend", made.id, made.id)).toMatchObject({ code: 4, stdout: "" });
    expect(await api.json("webhooks", "update", made.id, "--no-enabled")).toMatchObject({ enabled: false });
    expect(await api.run("webhooks", "update", made.id)).toMatchObject({ code: 2 });
    expect(await api.run("webhooks", "delete", made.id)).toMatchObject({ code: 2, stdout: "" });
    expect((await api.run("webhooks", "delete", made.id, "--yes")).stdout).toBe(`Removed ${made.id}.\n`);
    expect(await api.run("webhooks", "show", made.id)).toMatchObject({ code: 4 });

    const { id: agentId } = await api.client.agents.create({ name: "Limited" });
    const budget = await api.client.budgets.create({ agentId, meterName: "api_calls", limit: 7 });
    expect(await api.json("budgets", "show", budget.id)).toEqual(budget);
  });
});
