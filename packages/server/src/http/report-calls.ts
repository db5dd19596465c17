import { type RecordedEvent, routes } from "@licentric/contract";
import type { FastifyInstance } from "fastify";

/** The answer to an agent's call: what it was charged, what is reserved for it, or why it was refused. */
export interface AnsweredCall {
  readonly at: Date;
  /** Operation called: `reserve` and `commit` are the two halves of a call whose cost is known at its end. */
  readonly operation: "verify" | "reserve" | "commit" | "release";
  readonly status: number;
  /** Milliseconds until the answer. */
  readonly duration: number;
  /** The agent, where the answer names it. */
  readonly agentId?: string;
  /** The event that was recorded, or had been before. */
  readonly event?: RecordedEvent;
  /** Of a refusal. */
  readonly error?: { readonly code: string; readonly message: string };
}

const OPERATIONS: ReadonlyMap<string | undefined, AnsweredCall["operation"]> = new Map(
  (["verify", "reserve", "commit", "release"] as const).map((name) => [routes.mcp[name].path, name]),
);

/** Reports each agent's call as it is answered. It reads what was sent, which costs a busy server time. */
export function reportCalls(
  app: FastifyInstance,
  onCall: (call: AnsweredCall) => void,
  now: () => Date,
): void {
  app.addHook("onSend", (request, reply, payload, done) => {
    const operation = OPERATIONS.get(request.routeOptions.url);
    if (operation !== undefined && typeof payload === "string") {
      const { data, code, error }: Answer = JSON.parse(payload);
      onCall({
        at: now(),
        operation,
        status: reply.statusCode,
        duration: reply.elapsedTime,
        ...(data?.agentId !== undefined && { agentId: data.agentId }),
        ...(data?.event && { event: data.event }),
        ...(code !== undefined && { error: { code, message: error ?? "" } }),
      });
    }
    done(null, payload);
  });
}

/** Reported part of a response, which was checked against the contract or is the error envelope. */
interface Answer {
  readonly data?: { readonly agentId?: string; readonly event?: RecordedEvent };
  readonly code?: string;
  readonly error?: string;
}
