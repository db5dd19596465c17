// The same in CommonJS.
const { createPaywall } = require("@licentric/mcp");
const { fileJournal } = require("@licentric/mcp/journal");
const { createTestPaywall } = require("@licentric/mcp/testing");

const isInstalled = (name) =>
  import(name).then(
    () => true,
    (error) => error.code !== "ERR_MODULE_NOT_FOUND",
  );
const others = ["@modelcontextprotocol/sdk/types.js", "@modelcontextprotocol/server", "@opentelemetry/api"];

async function main() {
  const installed = await Promise.all(others.map(isInstalled));
  const paywall = createPaywall({ token: () => process.env.LICENTRIC_AGENT_TOKEN });
  const handler = paywall.tool({ meterName: "api_calls", name: "t" }, async (_context) => ({
    content: ["ran"],
  }));
  const { content } = await handler({});
  let advice;
  try {
    fileJournal();
  } catch (error) {
    advice = /Install it: [^.]*\./.exec(error.message)?.[0];
  }
  process.stdout.write(JSON.stringify([...installed, ...content, typeof createTestPaywall, advice]));
}
main();
