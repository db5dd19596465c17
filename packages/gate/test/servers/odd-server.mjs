// A stdio server that speaks no SDK's MCP: it does what the name of the called tool says, and writes what it reads to a file.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";

const LOG = process.env.ODD_LOG;
const waiting = new Map();
const running = new Map();
/** Responses that wait for the next ping, as those of a server that does one thing after the other. */
const held = [];
let asked = 0;
let tasks = 0;

const write = (text) => process.stdout.write(`${text}\n`);
const respond = (id, result) => write(JSON.stringify({ jsonrpc: "2.0", id, result }));
const text = (value) => ({ content: [{ type: "text", text: String(value) }] });

const tools = {
  echo: ({ id, params }) => respond(id, text(JSON.stringify(params.arguments ?? {}))),
  pid: ({ id }) => respond(id, text(process.pid)),
  crash: () => process.exit(7),
  offspring: ({ id }) => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
    respond(id, text(child.pid));
  },
  slow: ({ id, params }) => {
    running.set(
      id,
      setTimeout(() => respond(id, text("late")), params.arguments?.ms ?? 600_000),
    );
  },
  held: ({ id }) => void held.push(() => respond(id, text("late"))),
  double: ({ id }) => {
    respond(id, text("first"));
    respond(id, text("second"));
  },
  junk: ({ id }) => {
    write("Starting the engine \u001b[31m…");
    process.stdout.write(Buffer.from([0x7b, 0xff, 0x7d, 0x0a]));
    write('{"neither":"method nor result"}');
    respond(id, text("fine"));
  },
  huge: ({ id, params }) => {
    const piece = "x".repeat(1_048_576);
    process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"`);
    const more = (left) => {
      if (left === 0) write('"}]}}');
      else process.stdout.write(piece, () => more(left - 1));
    };
    more(params.arguments?.mebibytes ?? 100);
  },
  environment: ({ id }) => respond(id, text(JSON.stringify(process.env))),
  progress: ({ id, params }) => {
    const progressToken = params._meta?.progressToken;
    for (const progress of [1, 2])
      write(
        JSON.stringify({
          jsonrpc: "2.0",
          method: "notifications/progress",
          params: { progressToken, progress, total: 2 },
        }),
      );
    respond(id, text("done"));
  },
  ask: ({ id, params }) => {
    asked += 1;
    const own = `from-server-${asked}`;
    waiting.set(own, (line) => respond(id, text(line)));
    write(
      JSON.stringify({
        jsonrpc: "2.0",
        id: own,
        method: params.arguments?.method ?? "sampling/createMessage",
        params: { messages: [], maxTokens: 1 },
      }),
    );
  },
  // Its tasks are numbered, as long as it runs.
  task: ({ id }) => {
    tasks += 1;
    respond(id, { task: { taskId: String(tasks), status: "working" } });
  },
  announce: ({ id }) => {
    write('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
    respond(id, text("announced"));
  },
};

// One that does not end when it is asked to.
if (process.env.ODD_STUBBORN) {
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 1000);
}

const requests = {
  initialize: ({ id, params }) =>
    respond(id, {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: { listChanged: true }, logging: {} },
      serverInfo: { name: "odd", version: "0" },
    }),
  "notifications/initialized": () => {},
  "odd/crash": () => process.exit(7),
  "tasks/get": ({ id, params }) => respond(id, { taskId: params.taskId, status: "working", of: process.pid }),
  ping: ({ id }) => {
    for (const release of held.splice(0)) release();
    respond(id, {});
  },
  "tools/list": ({ id }) =>
    respond(id, { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } })) }),
  "tools/call": (message) => tools[message.params.name](message),
};

createInterface({ input: process.stdin }).on("line", (line) => {
  if (LOG) appendFileSync(LOG, `${line}\n`);
  const message = JSON.parse(line);
  if (message.method === undefined) waiting.get(message.id)?.(line);
  else if (message.method === "notifications/cancelled") {
    clearTimeout(running.get(message.params.requestId));
    running.delete(message.params.requestId);
  } else if (requests[message.method] !== undefined) requests[message.method](message);
  else {
    // Spelled as no serializer would spell it.
    write(
      `{ "jsonrpc":"2.0","method":"unheard/of", "params":{"n":1.50,"big":12345678901234567890,"e":1E+2,"s":"\\u00e9\\/é"},"extra":[ ] }`,
    );
    const idText = /"id"\s*:\s*([^,}\s]+)/.exec(line)?.[1];
    if (idText !== undefined)
      write(
        `{"result" :{"of":1.0, "big":98765432109876543210,"s":"\\u00e9"},"id":${idText},"jsonrpc":"2.0","odd":{"a":-0.0} }`,
      );
  }
});
