import { onTestFinished } from "vitest";
import { connectedClient, messagesOf, type RawClient } from "./support.ts";

/** The tools of the server with a ledger, each with a way of charging. */
export const TOOLS = ["by_call", "by_success", "by_reserve"] as const;

/** The outcome of a call, as its client saw it. */
export interface Outcome {
  readonly n: number;
  readonly tool: (typeof TOOLS)[number];
  /**
   * `acknowledged`: its result came; `billed`, `unbilled`: an error that says so; `unavailable`: refused, as nobody could say
   * who calls or bill it; `lost`: the connection broke; `unsent`: there was nobody to send it to, or no such session.
   */
  readonly kind: "acknowledged" | "billed" | "unbilled" | "unavailable" | "lost" | "unsent";
  /** The keys of the usage events on its receipt. */
  readonly keys: readonly string[];
}

/** Clients that call one after the other until they are told to stop. */
export interface PaidLoad {
  readonly outcomes: readonly Outcome[];
  /**
   * Returns how many calls of a tool were acknowledged.
   *
   * @throws what a client could not make sense of
   */
  acknowledged(tool: Outcome["tool"]): number;
  /** Lets the calls that run end; rejects with the same. */
  stop(): Promise<void>;
}

/** Begins to call. */
export function startPaidLoad(url: string, token: string, clients: number): PaidLoad {
  const outcomes: Outcome[] = [];
  let isOver = false;
  let last = 0;
  const run = async () => {
    let client: RawClient | undefined;
    while (!isOver) {
      client ??= await connectedClient(url).catch(() => undefined);
      if (client?.session === undefined) {
        client = undefined;
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      last += 1;
      const outcome = await callOnce(client, token, last);
      outcomes.push(outcome);
      if (outcome.kind === "lost" || outcome.kind === "unsent") client = undefined;
    }
  };
  let failure: unknown;
  const running = Promise.all(Array.from({ length: clients }, run)).catch((error: unknown) => {
    failure = error;
    isOver = true;
  });
  onTestFinished(() => {
    isOver = true;
  });
  return {
    outcomes,
    acknowledged(tool) {
      if (failure !== undefined) throw failure;
      return outcomes.filter((outcome) => outcome.tool === tool && outcome.kind === "acknowledged").length;
    },
    async stop() {
      isOver = true;
      await running;
      if (failure !== undefined) throw failure;
    },
  };
}

async function callOnce(client: RawClient, token: string, n: number): Promise<Outcome> {
  const tool = TOOLS[n % TOOLS.length] ?? "by_call";
  const end = (kind: Outcome["kind"], keys: readonly string[] = []): Outcome => ({ n, tool, kind, keys });
  const params = { name: tool, arguments: { n, ms: n % 40 } };
  const text = JSON.stringify({ jsonrpc: "2.0", id: n, method: "tools/call", params });
  let response: Response;
  let texts: string[];
  try {
    response = await client.post(text, { authorization: `Bearer ${token}` });
    texts = await messagesOf(response);
  } catch (error) {
    return end(isRefused(error) ? "unsent" : "lost");
  }
  // A stream that its server's death ended, as if nothing more were to come.
  if (texts.length === 0) return end("lost");
  if (response.status === 404) return end("unsent");
  const [message] = texts.map((one) => JSON.parse(one));
  if (texts.length !== 1 || message.id !== n) throw new Error(`call ${n} got: ${texts.join("\n")}`);
  const { result, error } = message;
  if (result !== undefined && result.isError !== true) {
    const { events = [] } = result._meta?.["com.licentric/receipt"] ?? {};
    return end(
      "acknowledged",
      events.map(({ idempotencyKey }: { idempotencyKey: string }) => idempotencyKey),
    );
  }
  if (result?._meta?.["com.licentric/refusal"]?.code === "billing_unavailable") return end("unavailable");
  if (/The call was billed,/.test(error?.message)) return end("billed");
  if (/The call was not billed\.$/.test(error?.message)) return end("unbilled");
  throw new Error(`call ${n} got no clear answer: ${texts.join("\n")}`);
}

function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ECONNREFUSED";
}
