import {
  idKey,
  isObject,
  type Message,
  metaOf,
  type RequestMessage,
  type ResponseMessage,
} from "../message/message.ts";
import type { Receive, Relation } from "../upstream/channel.ts";
import type { InFlight, Output, StandaloneOutput } from "./in-flight.ts";

/** The parts of a router. */
export interface RouterParts {
  readonly inFlight: InFlight;
  readonly standalone: StandaloneOutput | undefined;
  /** Answers a request of the server that no client hears. */
  readonly refuse: (request: RequestMessage) => void;
}

/** Finds the stream that a message of the server goes to. */
export interface Router {
  readonly receive: Receive;
  /** Takes note that the client answered a request of the server. */
  onAnswered(response: ResponseMessage): void;
}

const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

/** Makes the router of a session. */
export function createRouter({ inFlight, standalone, refuse }: RouterParts): Router {
  /** The way that each request of the server took: its cancellation takes the same. */
  const asked = new Map<string, Output>();

  const guess = (message: Exclude<Message, { kind: "response" }>): Output | undefined => {
    const params = isObject(message.params) ? message.params : {};
    if (message.method === "notifications/progress")
      return (inFlight.byProgressToken(params["progressToken"]) ?? inFlight.latest)?.output ?? standalone;
    const named = params["requestId"];
    if (
      message.method === "notifications/cancelled" &&
      (typeof named === "string" || typeof named === "number")
    )
      return asked.get(idKey(named)) ?? standalone;
    const subscription = metaOf(params, SUBSCRIPTION);
    if (typeof subscription === "string" || typeof subscription === "number") {
      const listening = inFlight.get(subscription);
      if (listening !== undefined) return listening.output;
    }
    if (isOfNoRequest(message.method)) return standalone ?? inFlight.latest?.output;
    if (inFlight.size > 1 && standalone?.isHeard) return standalone;
    return inFlight.latest?.output ?? standalone;
  };
  const find = (message: Exclude<Message, { kind: "response" }>, relation: Relation): Output | undefined => {
    if (relation === "unknown") return guess(message);
    if (relation === "standalone") return standalone;
    return inFlight.get(relation.to)?.output ?? standalone;
  };
  return {
    receive(message, relation) {
      const output = find(message, relation);
      if (output === undefined) {
        if (message.kind === "request") refuse(message);
        return;
      }
      if (message.kind === "request") asked.set(idKey(message.id), output);
      output.begin();
      output.message(message.text);
    },
    onAnswered({ id }) {
      if (id !== null) asked.delete(idKey(id));
    },
  };
}

/** Returns whether a notification belongs to the session as a whole by what it says. */
function isOfNoRequest(method: string): boolean {
  return method.endsWith("/list_changed") || method === "notifications/resources/updated";
}
