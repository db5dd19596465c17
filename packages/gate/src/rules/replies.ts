import type { Refusal, RefusedRequestError } from "@licentric/mcp";
import { refusalHeaders, toToolResult } from "@licentric/mcp/protocol";
import type { ClientRequest, Reply, RequestId } from "../exchange.ts";
import { isRecord } from "./is-record.ts";

/** A response with a result of the gate's own. */
export function resultReply(id: RequestId, result: unknown): Reply {
  return { text: JSON.stringify({ jsonrpc: "2.0", id, result }) };
}

/** A response with an error. */
export function errorReply(id: RequestId, error: unknown): Reply {
  return { text: JSON.stringify({ jsonrpc: "2.0", id, error }) };
}

/**
 * A refusal in the form that the request's client can take: an error result of a tool, else a JSON-RPC error. Over HTTP it is
 * 401 besides where a token is missing or no good, so that clients that can obtain one do.
 */
export function refusalReply(
  { id, method, params }: ClientRequest,
  { code, message, data }: RefusedRequestError,
  metadataUrl: string | undefined,
): Reply {
  // A call that makes a task has no result but the task.
  const isTask = isRecord(params) && params["task"] !== undefined;
  const hasResult = method === "tools/call" && !isTask;
  const { text } = hasResult
    ? resultReply(id, toToolResult(data))
    : errorReply(id, { code, message, data: { ...data } });
  return { text, ...(data.status === 401 && { http: challenge(data, metadataUrl) }) };
}

function challenge(refusal: Refusal, metadataUrl: string | undefined) {
  const headers = refusalHeaders(refusal, metadataUrl === undefined ? {} : { metadataUrl });
  return { status: refusal.status, headers };
}
