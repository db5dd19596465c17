import { Licentric } from "@licentric/sdk";
import { type Child, startChild } from "./children.ts";

/** An API that runs, and an agent of it. */
export interface Agent {
  readonly url: string;
  readonly apiKey: string;
  readonly token: string;
  stop(): Promise<void>;
}

/** Starts an API on a database and authorizes an agent. */
export async function startAgent(env: Readonly<Record<string, string>>): Promise<Agent> {
  const api: Child = await startChild("serve-api.ts", env);
  const { url, apiKey, stop } = api;
  if (apiKey === undefined) throw new Error("the API has told no key");
  const client = new Licentric({ apiKey, baseUrl: url });
  const { id } = await client.agents.create({ name: "bench" });
  const { token } = await client.mcp.authorize(id, { scopes: ["mcp:invoke"], expiresIn: 86_400 });
  await client.close();
  return { url, apiKey, token: token.reveal(), stop };
}
