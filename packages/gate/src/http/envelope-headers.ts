import type { IncomingHttpHeaders } from "node:http";
import { isObject, type Message, versionOf } from "../message/message.ts";
import { HttpRefusal } from "./responses.ts";

/** The parameter that `mcp-name` repeats, for each method that has one. */
const NAMES: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};
const MISMATCH = -32_020;

/**
 * Checks that the headers of the era without sessions say what the message says. A remote upstream does it itself; a stdio one
 * sees no headers.
 *
 * @throws HttpRefusal
 */
export function checkEnvelopes(messages: readonly Message[], headers: IncomingHttpHeaders): void {
  for (const message of messages) {
    if (message.kind !== "request") continue;
    const { method, params } = message;
    check("mcp-protocol-version", headers, versionOf(message));
    check("mcp-method", headers, method);
    const key = NAMES[method];
    const name = key !== undefined && isObject(params) ? params[key] : undefined;
    if (typeof name === "string") check("mcp-name", headers, name);
  }
}

function check(header: string, headers: IncomingHttpHeaders, said: string | undefined): void {
  const sent = headers[header];
  const decoded = typeof sent === "string" ? decode(sent) : undefined;
  if (decoded === said) return;
  throw new HttpRefusal(400, `The header ${header} does not say what the message says.`, MISMATCH);
}

/** Decodes a header's value: what is not plain ASCII is sent as `=?base64?…?=`. */
function decode(sent: string): string {
  const [, encoded] = /^=\?base64\?(.*)\?=$/.exec(sent) ?? [];
  return encoded === undefined ? sent : Buffer.from(encoded, "base64").toString("utf8");
}
