import { Licentric } from "@licentric/sdk";
import type { DatabaseLocation } from "@licentric/server";
import { startChild } from "./children.ts";
import { toEnvironment } from "./databases.ts";

/** An API that runs, and an agent of it. */
export interface Agent {
  readonly id: string;
  readonly url: string;
  readonly apiKey: string;
  readonly token: string;
  /** Microseconds of processor time that the API's process has used so far. */
  readonly processorTime: () => Promise<number>;
}

/** Runs with an API on a database, and with an agent of it that is authorized. */
export async function withAgent<T>(
  location: DatabaseLocation,
  run: (agent: Agent) => Promise<T>,
): Promise<T> {
  const { url, apiKey, processorTime, stop } = await startChild("serve-api", toEnvironment(location));
  try {
    if (apiKey === undefined) throw new Error("the API has told no key");
    const client = new Licentric({ apiKey, baseUrl: url });
    const { id } = await client.agents.create({ name: "bench" });
    const { token } = await client.mcp.authorize(id, { scopes: ["mcp:invoke"], expiresIn: 86_400 });
    await client.close();
    return await run({ id, url, apiKey, token: token.reveal(), processorTime });
  } finally {
    await stop();
  }
}
