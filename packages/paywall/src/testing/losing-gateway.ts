import type { Gateway, GatewayResponse } from "../billing/gateway.ts";
import { refuse } from "../refusal/refusal.ts";

/** The fate of a request. */
export type Fate =
  | "fine"
  /** The request is lost. */
  | "request"
  /** The request arrives, and its answer is lost. */
  | "answer"
  /** The answer to the first try is lost, and the second one is answered. */
  | "retried"
  /** The request is given up, and arrives when {@link LosingGateway.arrive} is called. */
  | "late";

/** A gateway that loses what it is told to lose. */
export interface LosingGateway extends Gateway {
  /** The fates of the next requests, in their order; every other one is fine. */
  fates: Fate[];
  /** Has the requests arrive that are late. */
  arrive(): Promise<void>;
}

const lost = { refusal: refuse("billing_unavailable"), unknown: true, cause: new Error("lost") } as const;

/** Loses requests to a gateway, and answers. */
export function losing(gateway: Gateway): LosingGateway {
  let late: (() => Promise<unknown>)[] = [];
  async function pass<Value>(send: () => Promise<GatewayResponse<Value>>): Promise<GatewayResponse<Value>> {
    const fate = made.fates.shift() ?? "fine";
    if (fate === "request") return lost;
    if (fate === "late") {
      late.push(send);
      return lost;
    }
    const answer = await send();
    if (fate === "answer") return lost;
    if (fate !== "retried") return answer;
    const again = await send();
    return "value" in again ? { ...again, retried: true } : { ...again, unknown: true };
  }
  const made: LosingGateway = {
    ...gateway,
    fates: [],
    async arrive() {
      const arriving = late;
      late = [];
      for (const send of arriving) await send();
    },
    verify: (token, request, options) => pass(() => gateway.verify(token, request, options)),
    reserve: (token, request, options) => pass(() => gateway.reserve(token, request, options)),
    commit: (token, id, quantity, options) => pass(() => gateway.commit(token, id, quantity, options)),
    release: (token, id, options) => pass(() => gateway.release(token, id, options)),
  };
  return made;
}
