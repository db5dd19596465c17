import type { RequestId, UpstreamResponse } from "../exchange.ts";
import { replaceAt, textAt } from "../message/json-spans.ts";
import {
  errorText,
  idTextOf,
  isObject,
  type Message,
  metaOf,
  type RequestMessage,
} from "../message/message.ts";
import type { Channel, ChannelHost, OutgoingRequest } from "./channel.ts";
import { ClientCancelled } from "./upstream-error.ts";

/** A process that serves several sessions. */
export interface SharedProcess {
  /** Opens the channel of one session. */
  open(host: ChannelHost): Channel;
  /** True while no session uses it. */
  readonly isIdle: boolean;
  /** Ends the process. */
  close(): Promise<void>;
}

/** The parts of a shared process. */
export interface SharedParts {
  readonly openChannel: (host: ChannelHost) => Channel;
  /** Milliseconds without a user after which it ends. */
  readonly idleTimeout: number;
  /** Called when it is over. */
  readonly onOver: () => void;
}

/** A request that runs on the process, under the number that it has there. */
interface Running {
  readonly host: ChannelHost;
  readonly id: RequestId;
  readonly idText: string;
  /** The text of the client's progress token. */
  readonly tokenText: string | undefined;
}

const TOKEN = ["params", "_meta", "progressToken"];
const SUBSCRIPTION = ["params", "_meta", "io.modelcontextprotocol/subscriptionId"];
const RESULT_SUBSCRIPTION = ["result", "_meta", "io.modelcontextprotocol/subscriptionId"];

/**
 * Shares one channel among sessions. Each request has a number of its own there, so that two clients may use one id; its
 * response has the client's id again, and nothing else of either is changed.
 */
export function createSharedProcess({ openChannel, idleTimeout, onOver }: SharedParts): SharedProcess {
  const running = new Map<number, Running>();
  const hosts = new Set<ChannelHost>();
  let last = 0;

  const receive = (message: Exclude<Message, { kind: "response" }>) => {
    if (message.kind === "request") {
      // It may not ask: which of the clients it means cannot be known.
      const text = "This server is shared by many clients, so it cannot ask one of them.";
      const refusal = errorText(idTextOf(message.text), -32_601, text);
      channel
        .pass({ kind: "response", text: refusal, id: message.id, result: undefined, error: {} }, {})
        .catch(() => {});
      return;
    }
    const related = relatedTo(message, running);
    if (related !== undefined) related.running.host.receive(related.message, { to: related.running.id });
    else if (message.method.endsWith("/list_changed"))
      for (const host of hosts) host.receive(message, "standalone");
  };
  const close = async () => {
    clearTimeout(idle);
    onOver();
    await channel.close();
  };
  const onLost = () => {
    onOver();
    for (const host of [...hosts]) host.onLost();
  };
  const channel = openChannel({ receive, onLost });
  let idle: NodeJS.Timeout | undefined;

  return {
    open(host) {
      hosts.add(host);
      clearTimeout(idle);
      return {
        isKept: true,
        request: (outgoing) => {
          last += 1;
          return requestAs(last, { channel, running, host }, outgoing);
        },
        // The process has asked nobody, and what is cancelled is cancelled by the request's own signal.
        async pass(message, headers) {
          if (message.kind === "notification" && message.method !== "notifications/cancelled")
            await channel.pass(message, headers);
        },
        async close() {
          hosts.delete(host);
          if (hosts.size === 0) idle = setTimeout(() => void close(), idleTimeout).unref();
        },
      };
    },
    get isIdle() {
      return hosts.size === 0;
    },
    close,
  };
}

/** The place where a request of a session runs. */
interface Place {
  readonly channel: Channel;
  readonly running: Map<number, Running>;
  readonly host: ChannelHost;
}

/** Sends a request under a number of the process, and returns its response under its own id. */
async function requestAs(
  number: number,
  { channel, running, host }: Place,
  outgoing: OutgoingRequest,
): Promise<UpstreamResponse> {
  const { message } = outgoing;
  const idText = idTextOf(message.text);
  const mapped = mapRequest(message, number);
  running.set(number, { host, id: message.id, idText, tokenText: mapped.tokenText });
  const { signal, release } = mapSignal(outgoing.signal, number);
  try {
    const response = await channel.request({ ...outgoing, message: mapped.message, signal });
    return { ...response, text: restoreResponse(response.text, idText) };
  } finally {
    release();
    running.delete(number);
  }
}

function mapRequest(message: RequestMessage, number: number) {
  const token = metaOf(message.params, "progressToken");
  const text = replaceAt(message.text, ["id"], String(number));
  if (token === undefined) return { message: { ...message, text, id: number }, tokenText: undefined };
  const params = isObject(message.params) ? message.params : {};
  const meta = isObject(params["_meta"]) ? params["_meta"] : {};
  return {
    message: {
      ...message,
      text: replaceAt(text, TOKEN, String(number)),
      id: number,
      params: { ...params, _meta: { ...meta, progressToken: number } },
    },
    tokenText: textAt(message.text, TOKEN),
  };
}

/** Returns the client's signal, so that its notification names the request as the process knows it. */
function mapSignal(signal: AbortSignal, number: number) {
  const controller = new AbortController();
  const onAbort = () => {
    const { reason } = signal;
    const isClients = reason instanceof ClientCancelled;
    controller.abort(
      isClients
        ? new ClientCancelled(replaceAt(reason.text, ["params", "requestId"], String(number)))
        : reason,
    );
  };
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  return { signal: controller.signal, release: () => signal.removeEventListener("abort", onAbort) };
}

function restoreResponse(text: string, idText: string): string {
  return replaceAt(replaceAt(text, ["id"], idText), RESULT_SUBSCRIPTION, idText);
}

/** Finds the request that a notification belongs to, and puts the client's own token or id back into it. */
function relatedTo(
  message: Extract<Message, { kind: "notification" }>,
  running: ReadonlyMap<number, Running>,
) {
  const find = (value: unknown) => (typeof value === "number" ? running.get(value) : undefined);
  const token = isObject(message.params) ? message.params["progressToken"] : undefined;
  const byToken = message.method === "notifications/progress" ? find(token) : undefined;
  if (byToken?.tokenText !== undefined) {
    const text = replaceAt(message.text, ["params", "progressToken"], byToken.tokenText);
    return { running: byToken, message: { ...message, text } };
  }
  const bySubscription = find(metaOf(message.params, "io.modelcontextprotocol/subscriptionId"));
  if (bySubscription === undefined) return undefined;
  const text = replaceAt(message.text, SUBSCRIPTION, bySubscription.idText);
  return { running: bySubscription, message: { ...message, text } };
}
