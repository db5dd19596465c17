import { Role } from "@a2a-js/sdk";
import { ClientFactory } from "@a2a-js/sdk/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Api, startApi } from "../../../packages/mcp/test/api.ts";
import { type ServingExample, serveExample } from "../../testing/src/run-example.ts";

let api: Api;
let agent: ServingExample;
beforeAll(async () => {
  api = await startApi();
  agent = await serveExample({
    main: new URL("../src/main.ts", import.meta.url),
    env: { LICENTRIC_BASE_URL: api.url },
  });
});
afterAll(async () => {
  const ended = await agent?.stop();
  await api?.close();
  expect(ended).toMatchObject({ code: 0, stderr: "" });
});

/** Sends a message as another agent does, and returns what it is answered. */
async function send(messageId: string, text: string, token?: string) {
  const client = await new ClientFactory().createFromUrl(agent.url.origin);
  const answer = await client.sendMessage(
    {
      tenant: "",
      message: {
        messageId,
        contextId: "",
        taskId: "",
        role: Role.ROLE_USER,
        parts: [
          { content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" },
        ],
        metadata: undefined,
        extensions: [],
        referenceTaskIds: [],
      },
      configuration: undefined,
      metadata: undefined,
    },
    token === undefined ? {} : { serviceParameters: { authorization: `Bearer ${token}` } },
  );
  return "parts" in answer ? answer.parts.map(({ content }) => content?.value).join() : answer;
}

it("answers and bills an agent with a token, and a repeated message once", async () => {
  const { agentId, token } = await api.authorize();
  expect(await send("m-1", "one two three", token)).toBe("3 words");
  expect(await send("m-1", "one two three", token)).toBe("3 words");
  expect(await api.billed(agentId)).toBe(1);
});

it("tells an agent without one what to do", async () => {
  expect(await send("m-2", "one two")).toContain("Nothing was run or charged");
  expect(await send("m-3", "one two", "AGT-unknown-unknown")).toContain("Nothing was run or charged");
});
