import { isObject } from "../message/message.ts";
import { UNKNOWN_SESSION_TEXT } from "../message/unknown-session.ts";
import { mediaTypeOf, type RemoteResponse, readWhole } from "./remote-http.ts";
import { UpstreamError } from "./upstream-error.ts";

/** Bytes that are read of a response which is no message. */
const MAX_ERROR_BYTES = 65_536;

/**
 * Returns the error for an HTTP response that is none of 2xx: the upstream's own where it is one of JSON-RPC, or ends the
 * session, and else one sentence.
 */
export async function refusalOf(
  response: RemoteResponse,
  say: (sentence: string) => void,
  hadSession: boolean,
): Promise<UpstreamError> {
  const { status } = response;
  const body = await readWhole(response, MAX_ERROR_BYTES).catch(() => "");
  if (status === 401 || status === 407) {
    say(
      `the upstream answered HTTP ${status}: it does not accept the headers that the gate's configuration gives it`,
    );
    return new UpstreamError(
      `The MCP server behind this gate does not accept the gate's own credentials (HTTP ${status}). Its owner has been told; your token is not the cause.`,
    );
  }
  const endsSession = status === 404 && hadSession;
  if (endsSession || isJsonRpc(response, body)) {
    const http = {
      status,
      headers: { "content-type": "application/json" },
      body: isJsonRpc(response, body) ? body : UNKNOWN_SESSION_TEXT,
    };
    return new UpstreamError("The MCP server behind this gate refused the request.", { http, endsSession });
  }
  return new UpstreamError(
    `The MCP server behind this gate answered HTTP ${status} and no MCP message. Whether it did its work is not known.`,
  );
}

function isJsonRpc(response: RemoteResponse, body: string): boolean {
  if (mediaTypeOf(response) !== "application/json") return false;
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) && value["jsonrpc"] === "2.0";
  } catch {
    return false;
  }
}

/** Returns the error for a successful HTTP response that holds no response to the request. */
export function withoutResponse(what: string): UpstreamError {
  return new UpstreamError(
    `The MCP server behind this gate ${what} without a response to the request. Whether it did its work is not known.`,
  );
}
