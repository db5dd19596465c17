// A short script that does not close its client: it must end by itself.
const { Licentric, AgentToken, NotFoundError } = require("@licentric/sdk");

async function main() {
  const client = new Licentric();
  const { token } = await client.mcp.authorize("agt_1", { scopes: ["mcp:invoke"] });
  const missing = await client.agents.get("agt_2").catch((error) => error instanceof NotFoundError);
  process.stdout.write(JSON.stringify([String(token), token instanceof AgentToken, missing]));
}
main();
