import {
  type Caller,
  type Paywall,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  RefusedRequestError,
} from "@licentric/mcp";
import { createRequestGuard, type RequestGuard } from "@licentric/mcp/protocol";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/client/validators/ajv";
import type { GateConfig } from "../config/gate-config.ts";
import type { ClientRequest, Reply, Rules, Send, UpstreamResponse } from "../exchange.ts";
import { UpstreamError } from "../upstream/upstream-error.ts";
import { withResult } from "./changed-text.ts";
import { toGuardOptions } from "./guard-options.ts";
import { isHidden, withoutHidden } from "./hidden-tools.ts";
import { isRecord } from "./is-record.ts";
import { createListedTools, type ListedTools } from "./listed-tools.ts";
import { LostRequestError } from "./lost-request.ts";
import { errorReply, refusalReply, resultReply } from "./replies.ts";
import { createSessionOwners } from "./session-owners.ts";
import { taskScopeOf } from "./task-scope.ts";
import { wrongArgument } from "./wrong-argument.ts";

/** The rules of a gate, which can be changed while it runs. */
export interface ChangeableRules extends Rules {
  /** Takes up other prices: calls that begin from here on go by them. */
  change(config: GateConfig): void;
}

/** The file as it is in force, and the guard that was made of it. */
interface Current {
  readonly config: GateConfig;
  /** The upstream as it was at the start, which is the one that runs. */
  readonly upstream: GateConfig["upstream"];
  readonly guard: RequestGuard;
}

/**
 * Makes the rules of a gate.
 *
 * @param endpoint - returns the URL of the endpoint as agents reach it; undefined where there is none
 */
export function createRules(
  paywall: Paywall,
  config: GateConfig,
  endpoint: () => string | undefined,
): ChangeableRules {
  const validator = new AjvJsonSchemaValidator();
  const read = (next: GateConfig): Current => ({
    config: next,
    upstream: config.upstream,
    guard: createRequestGuard(paywall, toGuardOptions(next, validator)),
  });
  const listed = createListedTools();
  let current = read(config);
  return {
    change(next) {
      current = read(next);
    },
    // Who may call is known only when it is known what is called, but whose session it is, at once.
    ...createSessionOwners(paywall, endpoint),
    page(path) {
      const resource = endpoint();
      if (resource === undefined || new URL(protectedResourceMetadataUrl(resource)).pathname !== path)
        return undefined;
      const headers = { "content-type": "application/json", "access-control-allow-origin": "*" };
      return { status: 200, headers, body: JSON.stringify(protectedResourceMetadata({ resource })) };
    },
    request(request, send) {
      const resource = endpoint();
      const metadataUrl = resource === undefined ? undefined : protectedResourceMetadataUrl(resource);
      return decide(current, listed, request, send, metadataUrl);
    },
    // Sent without an id a request would be run by servers that do not look at it, and nothing would settle it.
    notification: ({ method }) => !isKnownRequest(method),
  };
}

/** A response of the upstream that is an error: it passes through the guard, for which the call has failed. */
class UpstreamAnsweredError extends Error {
  readonly response: UpstreamResponse;

  constructor(response: UpstreamResponse) {
    super("the upstream answered with an error");
    this.name = "UpstreamAnsweredError";
    this.response = response;
  }
}

async function decide(
  { config, upstream, guard }: Current,
  listed: ListedTools,
  request: ClientRequest,
  send: Send,
  metadataUrl: string | undefined,
): Promise<Reply> {
  const { id, method, params, token } = request;
  const name = isRecord(params) ? params["name"] : undefined;
  if (method === "tools/call" && typeof name === "string" && isHidden(config, name))
    return errorReply(id, { code: -32_602, message: `Unknown tool: ${name}` });
  const sent: { response?: UpstreamResponse; isBilled?: true } = {};
  const forward = async (caller: Caller | undefined): Promise<unknown> => {
    const response = await send({ agentId: caller?.agentId }).catch((error: unknown) => {
      throw error instanceof UpstreamError ? new LostRequestError(error) : error;
    });
    sent.response = response;
    if (response.error !== undefined) throw new UpstreamAnsweredError(response);
    if (method === "tools/list") listed.learn(request, response.result);
    return response.result;
  };
  try {
    // The guard knows calls by their signals: each needs one of its own.
    const signal = AbortSignal.any([request.signal]);
    const listTools = () => listed.listFor(request);
    const onBilled = () => {
      sent.isBilled = true;
    };
    const taskScope = taskScopeOf(upstream, request);
    const guarded = await guard.handle(
      { id, method, params, token, signal, listTools, taskScope, onBilled },
      forward,
    );
    const result = method === "tools/list" ? withoutHidden(config, guarded) : guarded;
    const { response } = sent;
    if (response === undefined) return resultReply(id, result);
    if (result === response.result) return { text: response.text };
    return { text: withResult(response.text, response.result, result) };
  } catch (error) {
    if (error instanceof UpstreamAnsweredError)
      return error.response === sent.response
        ? { text: sent.response.text }
        : errorReply(id, error.response.error);
    if (error instanceof RefusedRequestError) {
      const isSetUp = error.data.code === "misconfigured" && method === "tools/call";
      const wrong = isSetUp ? wrongArgument(config, params) : undefined;
      return wrong === undefined
        ? refusalReply(request, error, metadataUrl)
        : errorReply(id, { code: -32_602, message: wrong });
    }
    if (error instanceof LostRequestError) throw error.told(method, sent.isBilled === true);
    // What the guard says of a request that it cannot understand.
    if (error instanceof Error && "code" in error && error.code === -32_602)
      return errorReply(id, { code: error.code, message: error.message });
    throw error;
  }
}

/** The requests that something is guarded at, and those that others take for harmless. */
function isKnownRequest(method: string): boolean {
  return /^(tools|prompts|resources|completion|tasks)\//.test(method);
}
