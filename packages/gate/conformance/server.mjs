// A server with what the suite asks for, over stdio, or over HTTP with `http`; then it says its port.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

const text = (value) => ({ type: "text", text: value });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const content = (...parts) => ({ content: parts });
const embedded = (uri, value, mimeType = "text/plain") => ({
  type: "resource",
  resource: { uri, mimeType, text: value },
});
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
const object = (properties = {}, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
});
const string = { type: "string" };

const DEFAULTS = object(
  {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
  [],
);
const OPTIONS = ["option1", "option2", "option3"];
const TITLED = OPTIONS.map((value, index) => ({ const: value, title: `Option ${index + 1}` }));
const ENUMS = object(
  {
    untitledSingle: { type: "string", enum: OPTIONS },
    titledSingle: { type: "string", oneOf: TITLED },
    legacyEnum: { type: "string", enum: OPTIONS, enumNames: TITLED.map(({ title }) => title) },
    untitledMulti: { type: "array", items: { type: "string", enum: OPTIONS } },
    titledMulti: { type: "array", items: { anyOf: TITLED } },
  },
  [],
);
const DRAFT_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  ...object({ name: string, address: { $ref: "#/$defs/address" } }, []),
  $defs: { address: { type: "object", properties: { street: string, city: string } } },
  additionalProperties: false,
};

async function elicit({ sendRequest }, message, requestedSchema) {
  const params = { mode: "form", message, requestedSchema };
  const { action, content: given } = await sendRequest(
    { method: "elicitation/create", params },
    types.ElicitResultSchema,
  );
  return content(text(`Elicitation completed: action=${action}, content=${JSON.stringify(given ?? {})}`));
}

/** Each tool: its input schema, and what it does. */
const TOOLS = {
  test_simple_text: [object(), () => content(text("This is a simple text response for testing."))],
  test_image_content: [object(), () => content(image)],
  test_audio_content: [object(), () => content({ type: "audio", data: WAV, mimeType: "audio/wav" })],
  test_embedded_resource: [object(), () => content(embedded("test://embedded-resource", "It is embedded."))],
  test_multiple_content_types: [
    object(),
    () => content(text("Many:"), image, embedded("test://mixed", '{"test":"data"}', "application/json")),
  ],
  test_tool_with_logging: [
    object(),
    async (_, { sendNotification }) => {
      for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await sendNotification({ method: "notifications/message", params: { level: "info", data } });
        await pause();
      }
      return content(text("It has logged."));
    },
  ],
  test_tool_with_progress: [
    object(),
    async (_, { sendNotification, _meta }) => {
      const progressToken = _meta?.progressToken ?? 0;
      for (const progress of [0, 50, 100]) {
        const params = { progressToken, progress, total: 100 };
        await sendNotification({ method: "notifications/progress", params });
        await pause();
      }
      return content(text(String(progressToken)));
    },
  ],
  test_error_handling: [
    object(),
    () => ({ ...content(text("This tool intentionally returns an error for testing")), isError: true }),
  ],
  test_sampling: [
    object({ prompt: string }),
    async ({ prompt }, { sendRequest }) => {
      const params = { messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 };
      const asked = { method: "sampling/createMessage", params };
      const { content: given } = await sendRequest(asked, types.CreateMessageResultSchema);
      return content(text(`LLM response: ${given.text}`));
    },
  ],
  test_elicitation: [
    object({ message: string }),
    ({ message }, extra) => elicit(extra, message, object({ username: string, email: string })),
  ],
  test_elicitation_sep1034_defaults: [object(), (_, extra) => elicit(extra, "Defaults", DEFAULTS)],
  test_elicitation_sep1330_enums: [object(), (_, extra) => elicit(extra, "Enums", ENUMS)],
  test_reconnection: [
    object(),
    async (_, { closeSSEStream }) => {
      closeSSEStream?.();
      await pause();
      return content(text("It has reconnected."));
    },
  ],
  json_schema_2020_12_tool: [DRAFT_2020_12, () => content(text("fine"))],
};

const asUser = (part) => ({ messages: [{ role: "user", content: part }] });
const PROMPTS = {
  test_simple_prompt: [[], () => asUser(text("This is a simple prompt for testing."))],
  test_prompt_with_arguments: [
    ["arg1", "arg2"],
    ({ arg1, arg2 }) => asUser(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  ],
  test_prompt_with_embedded_resource: [
    ["resourceUri"],
    ({ resourceUri }) => asUser(embedded(resourceUri, "Embedded for testing.")),
  ],
  test_prompt_with_image: [[], () => asUser(image)],
};

const STATIC = {
  "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
  "test://static-binary": { mimeType: "image/png", blob: PNG },
  "test://watched-resource": { mimeType: "text/plain", text: "watched" },
};

function read(uri) {
  const [, id] = /^test:\/\/template\/(.+)\/data$/.exec(uri) ?? [];
  if (id !== undefined)
    return {
      mimeType: "application/json",
      text: JSON.stringify({ id, templateTest: true, data: `of ${id}` }),
    };
  if (STATIC[uri] === undefined) throw new types.McpError(-32_002, `There is no ${uri}`);
  return STATIC[uri];
}

function build() {
  const capabilities = {
    tools: {},
    prompts: {},
    resources: { subscribe: true },
    logging: {},
    completions: {},
  };
  const server = new Server({ name: "conformance", version: "1" }, { capabilities });
  const handle = (schema, handler) => server.setRequestHandler(schema, handler);
  handle(types.ListToolsRequestSchema, () => ({
    tools: Object.entries(TOOLS).map(([name, [inputSchema]]) => ({ name, description: name, inputSchema })),
  }));
  handle(types.CallToolRequestSchema, ({ params }, extra) => TOOLS[params.name][1](params.arguments, extra));
  handle(types.ListPromptsRequestSchema, () => ({
    prompts: Object.entries(PROMPTS).map(([name, [args]]) => ({
      name,
      description: name,
      arguments: args.map((arg) => ({ name: arg, description: arg, required: true })),
    })),
  }));
  handle(types.GetPromptRequestSchema, ({ params }) => PROMPTS[params.name][1](params.arguments ?? {}));
  handle(types.ListResourcesRequestSchema, () => ({
    resources: Object.entries(STATIC).map(([uri, { mimeType }]) => ({
      uri,
      name: uri,
      description: uri,
      mimeType,
    })),
  }));
  handle(types.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template" }],
  }));
  handle(types.ReadResourceRequestSchema, ({ params: { uri } }) => ({ contents: [{ uri, ...read(uri) }] }));
  for (const schema of [
    types.SubscribeRequestSchema,
    types.UnsubscribeRequestSchema,
    types.SetLevelRequestSchema,
  ])
    handle(schema, () => ({}));
  handle(types.CompleteRequestSchema, () => ({
    completion: { values: ["paris"], total: 1, hasMore: false },
  }));
  return server;
}

/** Keeps what was sent, so that a stream which broke off can be resumed. */
function createEventStore() {
  const kept = [];
  return {
    async storeEvent(stream, message) {
      kept.push({ stream, message });
      return `${stream}_${kept.length}`;
    },
    async replayEventsAfter(lastEventId, { send }) {
      const [stream, last] = lastEventId.split(/_(?=\d+$)/);
      for (const [index, event] of kept.entries())
        if (event.stream === stream && index + 1 > Number(last) && event.message.jsonrpc !== undefined)
          await send(`${stream}_${index + 1}`, event.message);
      return stream;
    },
  };
}

async function begin(transports, port) {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    eventStore: createEventStore(),
    enableDnsRebindingProtection: true,
    allowedHosts: [`127.0.0.1:${port}`, `localhost:${port}`],
    onsessioninitialized: (made) => void transports.set(made, transport),
  });
  await build().connect(transport);
  return transport;
}

function serveHttp() {
  const transports = new Map();
  const server = createServer(async (request, response) => {
    const id = request.headers["mcp-session-id"];
    if (id !== undefined && !transports.has(id)) return response.writeHead(404).end();
    const transport = transports.get(id) ?? (await begin(transports, server.address().port));
    await transport.handleRequest(request, response);
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
}

if (process.argv[2] === "http") serveHttp();
else await build().connect(new StdioServerTransport());
