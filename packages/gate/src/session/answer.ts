import type { Reply } from "../exchange.ts";
import { errorText } from "../message/message.ts";
import { UpstreamError } from "../upstream/upstream-error.ts";

/** The response to a request: what the rules answered, or what the upstream's failure comes to. */
export type Answer = Reply & {
  /** The body of a remote upstream's HTTP response, where its status is passed on. */
  readonly body?: string | undefined;
};

/** Returns the answer to a request that failed. */
export function failureOf(idText: string, error: unknown, say: (sentence: string) => void): Answer {
  if (error instanceof UpstreamError) {
    const { http } = error;
    return { text: errorText(idText, error.code, error.message), http, body: http?.body };
  }
  say(`a request failed: ${error instanceof Error ? error.message : String(error)}`);
  return {
    text: errorText(idText, -32_603, "The gate could not handle the request. Its owner has been told."),
  };
}
