// A stdio server with a ledger of its own: it writes down each call before it runs and after, with its process.
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";

const { LEDGER = "" } = process.env;
const NAMES = ["by_call", "by_success", "by_reserve"];
const note = (what, n) => appendFileSync(LEDGER, `${what} ${n} ${process.pid}\n`);
const respond = (id, result) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);

const requests = {
  initialize: ({ id, params }) =>
    respond(id, {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "ledger", version: "0" },
    }),
  "tools/list": ({ id }) =>
    respond(id, { tools: NAMES.map((name) => ({ name, inputSchema: { type: "object" } })) }),
  "tools/call": ({ id, params }) => {
    const { n, ms } = params.arguments;
    note("began", n);
    setTimeout(() => {
      note("ended", n);
      respond(id, { content: [{ type: "text", text: String(n) }] });
    }, ms);
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const message = JSON.parse(line);
  requests[message.method]?.(message);
});
