// The same as a module.
import { AgentToken, Licentric, NotFoundError } from "@licentric/sdk";

const client = new Licentric();
const { token } = await client.mcp.authorize("agt_1", { scopes: ["mcp:invoke"] });
const missing = await client.agents.get("agt_2").catch((error) => error instanceof NotFoundError);
process.stdout.write(JSON.stringify([String(token), token instanceof AgentToken, missing]));
