import { createHash } from "node:crypto";
import { findToken, hashToken } from "@licentric/paywall/adapter";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { describe, expect, it } from "vitest";
import { rememberTransport } from "./local-calls.ts";
import { readRequestContext } from "./request-context.ts";

const environment = { LICENTRIC_AGENT_TOKEN: "AGT-of-the-environment" };
const find = (context: object) => findToken(readRequestContext(context), undefined, environment, 1_000);
const http = (headers: Record<string, string> = {}) => ({ req: { headers: new Headers(headers) } });

/** A signal of a request that came from memory. */
function localSignal(): AbortSignal {
  const { signal } = new AbortController();
  rememberTransport(signal, InMemoryTransport.createLinkedPair()[0]);
  return signal;
}

const send = async () => undefined;
const v1 = (members: object = {}) => ({
  signal: localSignal(),
  sessionId: undefined,
  authInfo: undefined,
  requestInfo: undefined,
  requestId: 1,
  sendNotification: send,
  sendRequest: send,
  ...members,
});
const v2 = (members: object = {}) => ({
  sessionId: undefined,
  mcpReq: { id: 1, signal: localSignal(), send, notify: send },
  http: undefined,
  ...members,
});

describe.each([
  [
    "v1",
    v1,
    { requestInfo: { headers: {} } },
    { requestInfo: { headers: { authorization: "Bearer AGT-of-the-caller" } } },
    { authInfo: {} },
  ],
  [
    "v2",
    v2,
    { http: http() },
    { http: http({ authorization: "Bearer AGT-of-the-caller" }) },
    { http: { authInfo: {} } },
  ],
])("the token of a request of SDK %s", (_, contextWith, overHttp, withHeader, behindDoor) => {
  it("is the environment's where there is neither HTTP nor a session, and it is known to be local", async () => {
    expect(await find(contextWith())).toBe("AGT-of-the-environment");
  });

  // The environment's token is the owner's own, or the one agent's that started the process: never a stranger's.
  it("is never the environment's over HTTP, in a session, or behind requireBearerAuth", async () => {
    expect(await find(contextWith(overHttp))).toBeUndefined();
    expect(await find(contextWith({ sessionId: "s1" }))).toBeUndefined();
    expect(await find(contextWith(behindDoor))).toBeUndefined();
  });

  it("is never the environment's where nothing says how the request came, or another transport", async () => {
    const { signal } = new AbortController();
    const context = contextWith();
    expect(
      await find({ ...context, signal, mcpReq: "mcpReq" in context && { ...context.mcpReq, signal } }),
    ).toBe(undefined);
    rememberTransport(signal, { start: send, send, close: send });
    expect(
      await find({ ...context, signal, mcpReq: "mcpReq" in context && { ...context.mcpReq, signal } }),
    ).toBe(undefined);
  });

  it("is the header's", async () => {
    expect(await find(contextWith(withHeader))).toBe("AGT-of-the-caller");
  });

  it("is none where the environment's is empty, as a shell or a compose file sets it", async () => {
    const empty = { LICENTRIC_AGENT_TOKEN: "" };
    expect(await findToken(readRequestContext(contextWith()), undefined, empty, 1_000)).toBeUndefined();
  });
});

it("is named by its SHA-256 where it must not be kept", () => {
  const name = hashToken("AGT-of-the-caller");
  expect(Buffer.from(name, "base64url").toString("hex")).toBe(
    createHash("sha256").update("AGT-of-the-caller").digest("hex"),
  );
  expect(hashToken("AGT-of-another")).not.toBe(name);
});
