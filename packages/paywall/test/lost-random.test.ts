import fc from "fast-check";
import { expect, it } from "vitest";
import { buildPaywall } from "../src/create-paywall.ts";
import { type ChargeOptions, RefusedError } from "../src/index.ts";
import { buildCore } from "../src/paywall-core.ts";
import { type Fate, losing } from "../src/testing/losing-gateway.ts";
import { createTestLedger } from "../src/testing.ts";

// Whatever is lost on the way to the API: an agent is billed for what it was given, and for what its next calls use up.
// A failure prints its seed and the shortest sequence that it was found with. These are the same in every run;
// `LICENTRIC_FUZZ_SEED` and `LICENTRIC_FUZZ_RUNS` search further.

interface Args {
  readonly used: number;
}

interface Step {
  readonly agent: number;
  /** Which of the agent's two credentials it sends. */
  readonly credential: number;
  readonly used: number;
  /** Whether it names its call; "again": it repeats one that it named and was refused, or given, before. */
  readonly key: "none" | "new" | "again";
  readonly run: "fine" | "fails" | "lapses";
  /** What becomes of the call's requests, in their order. */
  readonly fates: readonly Fate[];
}

interface Mode {
  readonly options: ChargeOptions<Args, number>;
  /** Whether the run says what it used. */
  readonly reports?: boolean;
  /** Whether a call that fails is billed, too. */
  readonly billsFailures?: boolean;
}

const exact = (_: Args) => _.used;
const measured = { quantity: 9, resultQuantity: (used: number) => used };
const MODES: Record<string, Mode> = {
  call: { options: { charge: "call", quantity: exact }, billsFailures: true },
  success: { options: { charge: "success", quantity: exact } },
  "success, by its result": { options: { charge: "success", ...measured } },
  "success, enforced": { options: { charge: "success", enforceBudget: true, quantity: exact } },
  "success, enforced, by its result": { options: { charge: "success", enforceBudget: true, ...measured } },
  reserve: { options: { charge: "reserve", quantity: exact } },
  "reserve, by its result": { options: { charge: "reserve", ...measured } },
  "reserve, beyond what is held": { options: { charge: "reserve", quantity: 4 }, reports: true },
};

interface Named extends Args {
  readonly key: string;
  isDelivered: boolean;
}

/** Plays calls, and checks after each what the ledger has and what was delivered. */
function play({ options, reports, billsFailures }: Mode) {
  const ledger = createTestLedger();
  const gateway = losing(ledger.gateway);
  const paywall = buildPaywall({}, buildCore({}, gateway));
  // Failures are what is played: thousands of warnings would hide the one that matters.
  paywall.on("failed", () => undefined);
  const agents = ["agt_1", "agt_2"].map((id) => ({
    id,
    credentials: [ledger.authorize(id), ledger.authorize(id)],
    named: [] as Named[],
    delivered: 0,
    /** What calls used whose bills were given up. */
    lost: [] as number[],
  }));
  type Agent = (typeof agents)[number];
  const agentOf = (index: number): Agent => agents[index] ?? expect.unreachable();
  const billed = ({ id }: Agent) =>
    ledger.usage.reduce((sum, { agentId, quantity }) => sum + (agentId === id ? quantity : 0), 0);
  const gap = (agent: Agent) => billed(agent) - agent.delivered;
  const handlerFailed = new Error("the handler failed");

  function check(agent: Agent) {
    expect(gap(agent), "delivered and not billed").toBeGreaterThanOrEqual(0);
    const lost = agent.lost.reduce((sum, used) => sum + used, 0);
    expect(gap(agent), "billed for nothing, and not lost").toBeLessThanOrEqual(lost);
  }

  /** Makes a call; whether something was delivered, or the agent was refused. */
  async function call(agent: Agent, step: Pick<Step, "credential" | "run">, used: number, named?: Named) {
    const before = { billed: billed(agent), wasDelivered: named?.isDelivered };
    let hasRun = false;
    const ended = await paywall
      .charge<number, Args>(
        {
          token: agent.credentials[step.credential],
          name: "report",
          args: { used },
          idempotencyKey: named?.key,
        },
        { meterName: "pages", ...options },
        (running) => {
          hasRun = true;
          if (step.run === "lapses") ledger.lapse();
          if (step.run === "fails") throw handlerFailed;
          if (reports) running.reportUsage(used);
          return used;
        },
      )
      .catch((error: unknown) => error);
    const isFailure = ended === handlerFailed;
    if (!isFailure && ended !== used) expect(ended).toBeInstanceOf(RefusedError);
    const isDelivered = ended === used || (isFailure && billsFailures === true);
    const newly = billed(agent) - before.billed;
    if (before.wasDelivered) {
      expect([hasRun, newly], "runs, or is billed, after it was delivered").toEqual([false, 0]);
      return ended;
    }
    expect(newly, "billed by one call").toBeLessThanOrEqual(isFailure && !billsFailures ? 0 : used);
    if (isDelivered) agent.delivered += used;
    else if (!isFailure) agent.lost.push(used);
    if (named !== undefined) {
      named.isDelivered = isDelivered;
      // Its key is used up, or it came to nothing.
      const isOver = isFailure || (ended instanceof RefusedError && ended.code === "idempotency_replay");
      if (isOver && !isDelivered) agent.named.splice(agent.named.indexOf(named), 1);
    }
    return ended;
  }

  async function take(step: Step, index: number) {
    const agent = agentOf(step.agent);
    const again = step.key === "again" ? agent.named.at(index % 2 === 0 ? 0 : -1) : undefined;
    const fresh =
      step.key === "new" ? { key: `key ${index}`, used: step.used, isDelivered: false } : undefined;
    if (fresh !== undefined) agent.named.push(fresh);
    const named = again ?? fresh;
    gateway.fates = [];
    await gateway.arrive();
    gateway.fates = [...step.fates];
    await call(agent, step, named?.used ?? step.used, named);
    gateway.fates = [];
    for (const each of agents) check(each);
  }

  /** Calls at every price that was lost, with nothing lost any more, until nothing is left to be used up. */
  async function finish(agent: Agent) {
    const step = { credential: 0, run: "fine" } as const;
    for (const named of [...agent.named]) if (!named.isDelivered) await call(agent, step, named.used, named);
    const isExact = options.quantity === exact;
    for (const used of isExact ? agent.lost : Array.from(agent.lost, () => undefined))
      if (gap(agent) > 0)
        expect(await call(agent, step, used ?? Math.min(9, gap(agent)))).toBeTypeOf("number");
    check(agent);
    expect(gap(agent), "billed for nothing in the end").toBe(0);
    expect(await call(agent, step, 2)).toBe(2);
    expect(gap(agent), "billed for the call after").toBe(0);
  }

  return async (steps: readonly Step[]) => {
    for (const [index, step] of steps.entries()) await take(step, index);
    await gateway.arrive();
    for (const agent of agents) await finish(agent);
  };
}

const often = <Value>(usual: Value, ...others: Value[]) =>
  fc.oneof({ weight: others.length + 1, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
const steps = fc.array(
  fc.record<Step>({
    agent: often(0, 1),
    credential: often(0, 1),
    used: fc.integer({ min: 1, max: 9 }),
    key: often<Step["key"]>("none", "new", "again"),
    run: often<Step["run"]>("fine", "fails", "lapses"),
    fates: fc.array(often<Fate>("fine", "request", "answer", "retried", "late"), { maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 30, size: "max" },
);

const usual: Step = { agent: 0, credential: 0, used: 1, key: "none", run: "fine", fates: [] };
const shown = (...parts: Partial<Step>[]): [Step[]] => [parts.map((part) => ({ ...usual, ...part }))];

/** Sequences that were billed wrongly once. */
const examples: [Step[]][] = [
  // More was recorded than the next call uses; less.
  shown({ used: 5, fates: ["fine", "answer"] }, { used: 3 }),
  shown({ used: 2, fates: ["fine", "late"] }, { used: 4, fates: ["fine", "answer"] }, { used: 9 }),
  // The hold is gone, and the event that takes its place is lost, too.
  shown({ used: 3, run: "lapses", fates: ["fine", "fine", "request"] }, { used: 1 }),
  shown({ used: 3, run: "lapses", fates: ["fine", "fine", "answer"] }, { run: "fails" }),
  // Usage beyond what was held is lost, and the next call uses another quantity.
  shown({ used: 5, fates: ["fine", "fine", "answer"] }, { used: 1 }),
  // A credential that was not known to be the agent's: what it lost is used up once, and what it paid for runs once.
  shown({ credential: 1, fates: ["request"] }, {}, { credential: 1 }, {}),
  shown({ credential: 1, key: "new" }, { key: "again", fates: ["retried"] }, {}),
  // An answer that was tried for twice is no proof that the key is this agent's.
  shown(
    { credential: 1, fates: ["late"] },
    { agent: 1, fates: ["fine", "retried"] },
    { credential: 1, key: "new" },
  ),
];

const seed = Number(process.env["LICENTRIC_FUZZ_SEED"] ?? 20_261_126);
const numRuns = Number(process.env["LICENTRIC_FUZZ_RUNS"] ?? 300);

it.each(Object.entries(MODES))(
  "%s: bills what is delivered, whatever is lost",
  { timeout: 120_000 },
  async (_, mode) => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => play(mode)(sequence)),
      { seed, numRuns, examples },
    );
  },
);
