import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Licentric } from "@licentric/sdk";
import { countWords } from "../src/client.ts";
import { startServer } from "../src/server.ts";

// `npm test` runs this beside an API of its own, which sets the variables.
const token = process.env["LICENTRIC_AGENT_TOKEN"];
const licentric = new Licentric();
let server: Awaited<ReturnType<typeof startServer>>;
before(async () => {
  server = await startServer(0);
});
after(async () => {
  await server.close();
  await licentric.close();
});

async function charged(): Promise<number> {
  const totals = await licentric.usage.totals();
  return totals.find(({ meterName }) => meterName === "api_calls")?.eventCount ?? 0;
}

test("a call with a token is answered and charged", async () => {
  const chargedBefore = await charged();
  const result = await countWords(server.url, token, "one two  three");
  assert.deepEqual(result.content, [{ type: "text", text: "3 words" }]);
  assert.equal(await charged(), chargedBefore + 1);
});

test("a call without a token is refused and costs nothing", async () => {
  const chargedBefore = await charged();
  const result = await countWords(server.url, undefined, "one two three");
  assert.equal(result.isError, true);
  assert.equal(await charged(), chargedBefore);
});
