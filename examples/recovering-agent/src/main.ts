import { setTimeout as sleep } from "node:timers/promises";
import { REFUSAL_META_KEY } from "@licentric/mcp";
import { Licentric } from "@licentric/sdk";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { z } from "zod";
import { startArchive } from "./archive-server.ts";

/** Content of `_meta` in every refusal; the text beside it is for the model. */
const Refusal = z.looseObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  retryAfter: z.number().optional(),
  requiredScopes: z.array(z.string()).optional(),
});
type Refusal = z.infer<typeof Refusal>;

// What the agent's owner allows without being asked. A refusal never gets more than this.
const SPENDING_LIMIT = 4;
const GRANTABLE_SCOPES = ["mcp:invoke", "archive:export"];

const licentric = new Licentric(); // the owner's: LICENTRIC_API_KEY, LICENTRIC_BASE_URL
const archive = await startArchive();
const { id: agentId } = await licentric.agents.create({ name: "Archivist" });
const budget = await licentric.budgets.create({ agentId, meterName: "api_calls", limit: 2 });
let client = await connect(["mcp:invoke"]);
try {
  for (const tool of ["read", "read", "read", "export", "read"]) {
    const outcome = await callAndRecover(tool);
    console.log(`${tool}: ${outcome}`);
  }
} finally {
  await client.close();
  await archive.close();
  await licentric.close();
}

async function callAndRecover(tool: string): Promise<string> {
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const result = await client.callTool({ name: tool, arguments: {} });
    const refused = result._meta?.[REFUSAL_META_KEY];
    if (refused === undefined) return z.object({ text: z.string() }).parse(result.content[0]).text;
    const refusal = Refusal.parse(refused);
    const remedy = await recover(refusal, attempt);
    if (remedy === undefined) return `given up: ${refusal.message}`;
    console.log(`  ${refusal.code}: ${remedy}`);
  }
  return "given up: refused three times";
}

/** Does what a refusal asks for, and says what; undefined where the owner does not allow it or nothing helps. */
async function recover(refusal: Refusal, attempt: number): Promise<string | undefined> {
  switch (refusal.code) {
    case "budget_exceeded": {
      const { limit = 0 } = await licentric.budgets.get(budget.id);
      if (limit >= SPENDING_LIMIT) return undefined;
      await licentric.budgets.update(budget.id, { limit: limit + 1 });
      return `the owner raised the budget to ${limit + 1}`;
    }
    case "insufficient_scope": {
      const wanted = new Set(["mcp:invoke", ...(refusal.requiredScopes ?? [])]);
      if ([...wanted].some((scope) => !GRANTABLE_SCOPES.includes(scope))) return undefined;
      await client.close();
      client = await connect([...wanted]);
      return `a new token for ${[...wanted].join(", ")}`;
    }
    case "invalid_token": // expired while we worked
      await client.close();
      client = await connect(["mcp:invoke"]);
      return "a new token";
    default: {
      if (!refusal.retryable) return undefined;
      const seconds = refusal.retryAfter ?? attempt;
      await sleep(seconds * 1_000);
      return `waited ${seconds} s`;
    }
  }
}

/** A connection with a new token. */
async function connect(scopes: string[]): Promise<Client> {
  const { token } = await licentric.mcp.authorize(agentId, { scopes, expiresIn: 600 });
  const connected = new Client({ name: "archivist", version: "1.0.0" });
  const headers = { authorization: `Bearer ${token.reveal()}` };
  await connected.connect(new StreamableHTTPClientTransport(archive.url, { requestInit: { headers } }));
  return connected;
}
