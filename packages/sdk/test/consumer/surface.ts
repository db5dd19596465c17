// Compiled from the packed package, in every way in which users resolve modules. What stands here is what the
// types promise: a change that breaks a line breaks users.
import {
  type Agent,
  type AgentToken,
  type APIPromise,
  type APIResponse,
  type BillingPeriod,
  BudgetExceededError,
  type BudgetState,
  type ConnectionError,
  constructEvent,
  type Invoice,
  Licentric,
  type LicentricError,
  type Page,
  type PagePromise,
  RateLimitError,
  type RecordedUsage,
  type RecordOutcome,
  type RecordStatus,
  type Secret,
  TimeoutError,
  type UsageIntervalTotal,
  type UsageTotal,
  ValidationError,
  type Verification,
  type WebhookEvent,
} from "@licentric/sdk";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<_Check extends true>(): void {}

export async function surface(client: Licentric, signal: AbortSignal): Promise<void> {
  // A call is a promise of its data, and of the answer around it.
  const agent: APIPromise<Agent> = client.agents.create({ name: "bot", metadata: { team: "search" } });
  same<Equal<Awaited<typeof agent>, Agent>>();
  const response: APIResponse<Agent> = await agent.withResponse();
  same<Equal<typeof response.status, number>>();
  same<Equal<Agent["status"], "active" | "suspended">>();
  same<Equal<Agent["customerId"], string | null>>();
  const requestId: string | undefined = response.requestId;

  // A list is a promise of a page and an iterable of items.
  const list: PagePromise<Agent> = client.agents.list({ limit: 10, status: "active" });
  const page: Page<Agent> = await list;
  for await (const item of list) same<Equal<typeof item, Agent>>();
  for await (const item of page) same<Equal<typeof item, Agent>>();

  // Options come last, everywhere, and may be undefined member by member.
  await client.agents.get("agt_1", {
    signal,
    timeout: 1,
    maxRetries: 0,
    idempotencyKey: undefined,
    headers: { a: "b" },
  });
  await client.mcp.verify("AGT-x", {}, { deadline: 100 });

  // Secrets are objects.
  const { token } = await client.mcp.authorize("agt_1", { scopes: ["mcp:invoke"] });
  same<Equal<typeof token, AgentToken>>();
  const verification: Verification = await client.mcp.verify(token, { meterName: "api_calls", quantity: 2 });
  const budget: BudgetState | undefined = verification.budget;
  const { key } = await client.keys.create();
  same<Equal<typeof key, Secret>>();
  new Licentric({ apiKey: key });
  new Licentric({ apiKey: null });
  const { secret } = await client.webhooks.create({ url: "https://example.com", events: ["invoice.paid"] });
  const event: WebhookEvent = constructEvent("{}", new Headers(), secret);

  // What only our server promises may be missing on the hosted service.
  const period: BillingPeriod = await client.billing.getCurrentPeriod();
  same<Equal<typeof period.id, string>>();
  same<Equal<typeof period.status, "open" | "closed" | undefined>>();
  const invoice: Invoice = await client.billing.createInvoice(period.id);
  if (invoice.stripeConfigured) same<Equal<typeof invoice.hostedInvoiceUrl, string | null>>();

  const recorded: RecordedUsage = await client.usage.record({ agentId: "agt_1", meterName: "pages" });
  same<Equal<typeof recorded.status, "recorded" | "duplicate">>();
  const outcomes: readonly RecordOutcome[] = await client.usage.recordBatch([]);
  const statuses: readonly RecordStatus[] = await client.usage.recordJson('{"events":[]}', 0);
  same<Equal<(typeof statuses)[number]["status"], "recorded" | "duplicate" | "rejected">>();
  const totals: UsageTotal[] = await client.usage.totals({ groupBy: ["agent", "day"] });
  const series: UsageIntervalTotal[] = await client.usage.timeseries({
    interval: "hour",
    from: "2026-11-01",
  });

  // @ts-expect-error an agent has a name
  client.agents.create({});
  // @ts-expect-error no such member
  client.agents.create({ name: "bot", colour: "red" });
  // @ts-expect-error a price is a decimal text
  client.meters.create({ name: "pages", price: { model: "per_unit", unitPrice: 0.25 } });
  // @ts-expect-error no such dimension
  client.usage.totals({ groupBy: ["week"] });
  // @ts-expect-error a token is a text or a secret
  client.mcp.verify(42);
  // @ts-expect-error no such event
  client.webhooks.create({ url: "https://example.com", events: ["agent.born"] });
  // @ts-expect-error the text of a secret is read on purpose
  const text: string = token;
  // @ts-expect-error no such option
  new Licentric({ apikey: "lk_test_" });

  void [requestId, budget, event, outcomes, totals, series, text];
}

export function errors(error: unknown): void {
  if (error instanceof RateLimitError) same<Equal<typeof error.retryAfter, number | undefined>>();
  if (error instanceof BudgetExceededError) same<Equal<typeof error.budget, BudgetState | undefined>>();
  if (error instanceof ValidationError) same<Equal<(typeof error.issues)[number]["message"], string>>();
  const timeout: ConnectionError = new TimeoutError("late");
  const base: LicentricError = timeout;
  same<Equal<typeof base.status, number | undefined>>();
}
