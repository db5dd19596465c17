import { z } from "zod";

/** The name of the file that the gate looks for in its working directory. */
export const CONFIG_FILE = "licentric.gate.json";

const METER = /^[a-z][a-z0-9_.-]{0,63}$/;
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+$/;
const POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/;

const pointer = z
  .string()
  .regex(POINTER, 'It is a JSON pointer such as "/pages" or "/options/count" (RFC 6901).');
const quantity = z.int().min(0).max(1_000_000_000);
const milliseconds = z.int().min(1).max(2_147_483_647);
const texts = z.record(z.string(), z.string());

const charge = z
  .strictObject({
    meterName: z
      .string()
      .regex(METER, 'It is 1 to 64 lower-case letters, digits, "_", "." and "-", beginning with a letter.')
      .exactOptional()
      .describe("The meter that counts the call. Without one, callers are verified and nothing is billed."),
    quantity: z
      .union([
        quantity,
        z.strictObject({
          argument: pointer.describe(
            "Where the quantity is in the arguments, a JSON pointer: a whole number.",
          ),
          otherwise: quantity
            .exactOptional()
            .describe("The quantity of a call without that argument. Without this, such a call is refused."),
        }),
      ])
      .exactOptional()
      .describe(
        'Units that a call bills: a whole number, or the place of one in its arguments; 1 by default. With "charge": "reserve" it is the most that the call can cost.',
      ),
    resultQuantity: pointer
      .exactOptional()
      .describe(
        'Where the units that were really used are in the result, a JSON pointer such as "/structuredContent/pages". Needs "charge": "success" (the default with it) or "reserve".',
      ),
    charge: z
      .enum(["call", "success", "reserve"])
      .exactOptional()
      .describe(
        '"call" (default): billed before the call is sent to the server. "success": billed when it brought a result that is no error. "reserve": the quantity is reserved before, what was used is billed after.',
      ),
    scopes: z
      .array(z.string().regex(SCOPE, "It is printable ASCII without spaces and quotes."))
      .exactOptional()
      .describe('Scopes that the caller\'s token must have, such as ["mcp:invoke"].'),
    enforceBudget: z
      .boolean()
      .exactOptional()
      .describe("Refuse a call that would exceed the agent's budget; false by default."),
    warnAgent: z
      .boolean()
      .exactOptional()
      .describe(
        "Tell the agent, in the result's _meta, when its budget is nearly used up; false by default.",
      ),
    price: z
      .string()
      .exactOptional()
      .describe('The price of a unit in words, shown in tools/list, such as "0.01 USD per call".'),
    reserveFor: z
      .int()
      .min(1)
      .max(86_400)
      .exactOptional()
      .describe('Seconds for which "charge": "reserve" reserves units; 300 by default.'),
  })
  .superRefine((value, context) => {
    const fail = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    for (const name of ["quantity", "resultQuantity"] as const) {
      if (value[name] !== undefined && value.meterName === undefined)
        fail(name, "A quantity needs a meterName to be counted on.");
    }
    if (value.charge === "reserve" && value.meterName === undefined)
      fail("charge", '"reserve" needs a meterName to reserve units of.');
    if (value.charge === "call" && value.resultQuantity !== undefined)
      fail("charge", 'The resultQuantity is known only after the call: it needs "success" or "reserve".');
  });

/** The price of something in the file, and who may call it. */
export type GateCharge = z.output<typeof charge>;

const free = z.literal("free");
const priced = z.union([charge, free]);
const tool = z
  .union([charge, z.enum(["free", "hidden"])])
  .describe(
    'What it costs; "free": for everybody, without any check; "hidden": not listed, and refused as unknown.',
  );

const upstream = z.union([
  z.strictObject({
    command: z.string().min(1).describe("A command that speaks MCP on its stdin and stdout, such as uvx."),
    args: z.array(z.string()).exactOptional().describe("The arguments of the command."),
    env: texts
      .exactOptional()
      .describe(
        "Variables in addition to the gate's own, of which the command gets all that do not begin with LICENTRIC_. $NAME in braces stands for a variable of the gate's.",
      ),
    cwd: z
      .string()
      .exactOptional()
      .describe("The working directory of the command; the gate's own by default."),
    stateless: z
      .boolean()
      .exactOptional()
      .describe(
        "One process for all sessions, for a server that remembers nothing of its clients; one for each session by default.",
      ),
  }),
  z.strictObject({
    url: z
      .url({ protocol: /^https?$/, error: "It is a URL such as https://internal.example.com/mcp." })
      .describe("An endpoint of MCP's Streamable HTTP."),
    headers: texts
      .exactOptional()
      .describe(
        "Headers of your own for the upstream, such as authorization. $NAME in braces stands for a variable of the gate's. The agent's token never goes there.",
      ),
    sendAgentId: z
      .boolean()
      .exactOptional()
      .describe("Tell the upstream who called, in the header x-licentric-agent-id; false by default."),
  }),
]);

const limits = z.strictObject({
  maxSessions: z.int().min(1).exactOptional().describe("Sessions at a time; 1000 by default."),
  maxAnonymousSessions: z
    .int()
    .min(0)
    .exactOptional()
    .describe(
      "Sessions at a time in which no valid token was sent; a quarter of maxSessions by default. They give way to those of agents. With 0, none begins without a valid token.",
    ),
  maxMessageBytes: z
    .int()
    .min(1_024)
    .exactOptional()
    .describe(
      "Bytes of one message, in either direction; 4 MiB from clients and 32 MiB from upstreams by default.",
    ),
  idleTimeout: milliseconds
    .exactOptional()
    .describe("Milliseconds after which a session that nothing happens in ends; 30 minutes by default."),
  anonymousIdleTimeout: milliseconds
    .exactOptional()
    .describe(
      "The same of a session in which no valid token was sent; 2 minutes by default, and never more than idleTimeout.",
    ),
  callTimeout: milliseconds
    .exactOptional()
    .describe(
      "Milliseconds that the upstream may take for one response; 10 minutes by default. Its progress begins them anew.",
    ),
  connectTimeout: milliseconds
    .exactOptional()
    .describe("Milliseconds until an upstream has to be reachable; 10 seconds by default."),
});

/** The form of the file, with a description of each part for editors. */
export const gateConfig = z.strictObject({
  $schema: z.string().exactOptional().describe("The JSON schema of this file, for editors."),
  upstream: upstream
    .exactOptional()
    .describe("The server that the gate stands before, unless the command line says it."),
  tools: z.record(z.string(), tool).exactOptional().describe("Tools by their names."),
  prompts: z
    .union([free, z.record(z.string(), priced)])
    .exactOptional()
    .describe('Prompts by their names; "free" opens all of them. What is not named goes by default.'),
  resources: z
    .union([free, z.record(z.string(), priced)])
    .exactOptional()
    .describe('Resources by their URIs; "free" opens all of them. What is not named goes by default.'),
  default: tool
    .exactOptional()
    .describe(
      'Everything that is not named: by default its caller needs a valid token and nothing is billed. With "hidden", the tools that are not named are not there, and all else needs a token.',
    ),
  requireToken: z
    .union([
      z.literal("all"),
      z.array(
        z.enum([
          "completion/complete",
          "prompts/list",
          "resources/list",
          "resources/templates/list",
          "tools/list",
        ]),
      ),
    ])
    .exactOptional()
    .describe(
      'Requests that cost nothing and need a valid token all the same; none by default. "all": every request but the handshake and what is free.',
    ),
  hideUncallable: z
    .boolean()
    .exactOptional()
    .describe("Leave out of tools/list what the caller's token does not allow; false by default."),
  receipts: z
    .boolean()
    .exactOptional()
    .describe("Put a receipt into the _meta of each billed result; false by default."),
  links: z
    .strictObject({
      credential: z.url().exactOptional().describe("A page to get a token, or one with more scopes."),
      budget: z.url().exactOptional().describe("A page to get a larger budget."),
    })
    .exactOptional()
    .describe("Your links for who is refused."),
  baseUrl: z
    .url({ protocol: /^https?$/, error: "It is a URL such as http://127.0.0.1:4242." })
    .exactOptional()
    .describe("Origin of the Licentric API; LICENTRIC_BASE_URL by default."),
  host: z.string().min(1).exactOptional().describe("The address to listen on; 127.0.0.1 by default."),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .exactOptional()
    .describe("The port to listen on, 0 for any free one; 8080 by default."),
  path: z.string().startsWith("/").exactOptional().describe("The path of the endpoint; /mcp by default."),
  publicUrl: z
    .url({ protocol: /^https?$/, error: "It is a URL such as https://mcp.example.com/mcp." })
    .exactOptional()
    .describe("The endpoint as agents reach it, behind a proxy; told to clients that have no token."),
  allowedHosts: z
    .array(z.string().min(1))
    .exactOptional()
    .describe(
      "Host names that requests may be sent to, without a port. Loopback's own by default, where it listens on loopback.",
    ),
  allowedOrigins: z
    .array(z.string().min(1))
    .exactOptional()
    .describe(
      "Origins that browsers may send from, such as https://app.example.com; loopback's own by default.",
    ),
  limits: limits.exactOptional().describe("Limits on what clients and the upstream may take."),
});

/** The prices and settings of a gate: what the file `licentric.gate.json` says. */
export type GateConfig = z.output<typeof gateConfig>;
