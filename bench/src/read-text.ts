import type { IncomingMessage } from "node:http";

/** Reads a request's body. */
export async function readText(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) text += chunk;
  return text;
}
