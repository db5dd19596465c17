import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

/** How a call ended for the client: whether it has the tool's result, and what it was told. */
export interface Answer {
  readonly isError: boolean;
  readonly text: string;
}

/**
 * A call of a tool over HTTP by an official client, which connects for it and closes.
 *
 * @param tokens - the token that it connects with, and the one that it calls with
 */
export type CallTool = (
  url: URL,
  tokens: { readonly connect: string | undefined; readonly call: string | undefined },
  name: string,
  args: Record<string, unknown>,
) => Promise<Answer>;

const info = { name: "compat", version: "1.0.0" };

/** The official clients: of SDK v1, and of SDK v2, which speaks the newest protocol that the server does. */
export const clients: Readonly<Record<"v1" | "v2", CallTool>> = {
  v1: (url, tokens, name, args) =>
    answerOf(async () => {
      const requestInit = sendToken({ headers: {} }, tokens.connect);
      const client = new ClientV1(info);
      try {
        // The transport's own type is not as exact as the interface that it implements.
        await client.connect(new TransportV1(url, { requestInit }) as Parameters<ClientV1["connect"]>[0]);
        sendToken(requestInit, tokens.call);
        return await client.callTool({ name, arguments: args });
      } finally {
        await client.close();
      }
    }),
  v2: (url, tokens, name, args) =>
    answerOf(async () => {
      const requestInit = sendToken({ headers: {} }, tokens.connect);
      const client = new ClientV2(info, { versionNegotiation: { mode: "auto" } });
      try {
        await client.connect(new TransportV2(url, { requestInit }));
        sendToken(requestInit, tokens.call);
        return await client.callTool({ name, arguments: args });
      } finally {
        await client.close();
      }
    }),
};

/** Has a transport send a token from here on: it reads its headers anew for every request. */
function sendToken(requestInit: { headers: Record<string, string> }, token: string | undefined) {
  requestInit.headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return requestInit;
}

async function answerOf(call: () => Promise<object>): Promise<Answer> {
  try {
    const result = await call();
    return {
      isError: "isError" in result && result.isError === true,
      text: JSON.stringify("content" in result ? result.content : result),
    };
  } catch (error) {
    return { isError: true, text: String(error) };
  }
}
