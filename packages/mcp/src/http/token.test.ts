import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readRequestContext } from "../server/request-context.ts";
import { findToken, hashToken } from "./token.ts";

const environment = { LICENTRIC_AGENT_TOKEN: "AGT-of-the-environment" };
const find = (context: object) => findToken(readRequestContext(context), undefined, environment);
const http = (headers: Record<string, string> = {}) => ({ req: { headers: new Headers(headers) } });

describe.each([
  [
    "v1",
    { requestInfo: { headers: {} } },
    { requestInfo: { headers: { authorization: "Bearer AGT-of-the-caller" } } },
  ],
  [
    "v2",
    { mcpReq: {}, http: http() },
    { mcpReq: {}, http: http({ authorization: "Bearer AGT-of-the-caller" }) },
  ],
])("the token of a request of SDK %s", (sdk, overHttp, withHeader) => {
  const bare = sdk === "v1" ? {} : { mcpReq: {} };

  it("is the environment's where there is neither HTTP nor a session", async () => {
    expect(await find(bare)).toBe("AGT-of-the-environment");
  });

  // The environment's token is the owner's own, or the one agent's that started the process: never a stranger's.
  it("is never the environment's over HTTP, in a session, or behind a door", async () => {
    expect(await find(overHttp)).toBeUndefined();
    expect(await find({ ...bare, sessionId: "s1" })).toBeUndefined();
    expect(
      await find(sdk === "v1" ? { authInfo: {} } : { mcpReq: {}, http: { authInfo: {} } }),
    ).toBeUndefined();
  });

  it("is the header's", async () => {
    expect(await find(withHeader)).toBe("AGT-of-the-caller");
  });

  it("is none where the environment's is empty, as a shell or a compose file sets it", async () => {
    expect(
      await findToken(readRequestContext(bare), undefined, { LICENTRIC_AGENT_TOKEN: "" }),
    ).toBeUndefined();
  });
});

it("is named by its SHA-256 where it must not be kept", () => {
  const name = hashToken("AGT-of-the-caller");
  expect(Buffer.from(name, "base64url").toString("hex")).toBe(
    createHash("sha256").update("AGT-of-the-caller").digest("hex"),
  );
  expect(hashToken("AGT-of-another")).not.toBe(name);
});
