import type { HttpAnswer } from "../exchange.ts";

/** Options of an {@link UpstreamError}. */
export interface UpstreamErrorOptions {
  /** The upstream's HTTP response, to be passed on where nothing else is on the way. */
  readonly http?: HttpAnswer | undefined;
  /** True if the upstream knows the session no more, so that the client has to begin anew. */
  readonly endsSession?: boolean | undefined;
  /** The JSON-RPC code; -32000 by default. */
  readonly code?: number | undefined;
}

/** An upstream that gave no response. The message is one sentence or two for the agent, and tells no secret. */
export class UpstreamError extends Error {
  readonly http: HttpAnswer | undefined;
  readonly endsSession: boolean;
  readonly code: number;

  constructor(message: string, { http, endsSession = false, code = -32_000 }: UpstreamErrorOptions = {}) {
    super(message);
    this.name = "UpstreamError";
    this.http = http;
    this.endsSession = endsSession;
    this.code = code;
  }
}

/** The reason of a request that its client cancelled: the text of the notification, which the upstream is sent as it came. */
export class ClientCancelled extends Error {
  readonly text: string;

  constructor(text: string) {
    super("The client cancelled the request.");
    this.name = "ClientCancelled";
    this.text = text;
  }
}

/** Returns the error for a request under the id of another, whose response would be taken for its own. */
export function idTaken(): UpstreamError {
  return new UpstreamError("A request with this id was cancelled, or is running. Send it under another id.", {
    code: -32_600,
  });
}

/** Returns the error for a request that took too long. */
export function tooSlow(timeout: number): UpstreamError {
  const seconds = Math.max(1, Math.round(timeout / 1_000));
  return new UpstreamError(
    `The MCP server behind this gate gave no response within ${seconds} s. It was told to stop; whether it did its work is not known.`,
    { code: -32_001 },
  );
}
