import { idTextOf, type RequestMessage } from "../message/message.ts";
import { ClientCancelled } from "./upstream-error.ts";

/** Returns the notification that cancels a request upstream: the client's own, where the client cancelled it. */
export function cancelText({ text }: RequestMessage, reason: unknown): string {
  if (reason instanceof ClientCancelled) return reason.text;
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${idTextOf(text)},"reason":"Nobody waits for the response any more."}}`;
}
