import type { Route } from "@licentric/contract";
import { type Json, sampleAnswer, sampleBody } from "./samples.ts";

/** One call in three languages, to copy. */
export interface RequestExamples {
  readonly curl: string;
  readonly typescript: string;
  readonly python: string;
  /** The answer, as JSON. */
  readonly answer: string;
}

const ID = "01900000-0000-7000-8000-000000000001";

/** The examples of a call of the table, by its resource and its name there. */
export function requestExamples(resource: string, name: string, route: Route): RequestExamples {
  const body = route.body === undefined ? undefined : sampleBody(route.body);
  const isEmpty = body === undefined || JSON.stringify(body) === "{}";
  const path = route.path.replace(/:\w+/g, ID);
  const credential = route.auth === "key" ? "LICENTRIC_API_KEY" : "AGENT_TOKEN";
  return {
    curl: curlOf(route, { path, credential, body: isEmpty ? undefined : body }),
    typescript: typescriptOf(`${resource}.${name}`, route, isEmpty ? undefined : body),
    python: pythonOf(route, { path, credential, body: isEmpty ? undefined : body }),
    answer: JSON.stringify(answerOf(route), null, 2),
  };
}

function answerOf({ list, response }: Route): Json {
  const data = sampleAnswer(response);
  return list ? { data: [data], pagination: { nextCursor: null, hasMore: false } } : { data };
}

interface Request {
  readonly path: string;
  /** The environment variable that has the credential. */
  readonly credential: string;
  readonly body: Json | undefined;
}

function curlOf({ method }: Route, { path, credential, body }: Request): string {
  const lines = [
    `curl ${method === "GET" ? "" : `-X ${method} `}"$LICENTRIC_BASE_URL${path}"`,
    `-H "Authorization: Bearer $${credential}"`,
    ...(body === undefined
      ? []
      : ['-H "Content-Type: application/json"', `-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`]),
  ];
  return lines.join(" \\\n  ");
}

function pythonOf({ method }: Route, { path, credential, body }: Request): string {
  const json = body === undefined ? [] : [`    json=${pythonLiteral(body)},`];
  return [
    "import os",
    "",
    "import requests",
    "",
    "response = requests.request(",
    `    "${method}",`,
    `    os.environ["LICENTRIC_BASE_URL"] + "${path}",`,
    `    headers={"Authorization": "Bearer " + os.environ["${credential}"]},`,
    ...json,
    "    timeout=10,",
    ")",
    "response.raise_for_status()",
    'print(response.json()["data"])',
  ].join("\n");
}

function pythonLiteral(value: Json): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, inner]) => `${JSON.stringify(name)}: ${pythonLiteral(inner)}`,
  );
  return `{${members.join(", ")}}`;
}

/** The client's call: ids of the path come one by one, an agent's token first, and the rest as one object. */
function typescriptOf(name: string, route: Route, body: Json | undefined): string {
  const ids = [...route.path.matchAll(/:\w+/g)].map(() => JSON.stringify(ID));
  const token = route.auth === "key" ? [] : ['process.env["AGENT_TOKEN"] ?? ""'];
  const params = paramsOf(name, body);
  const call = `client.${name}(${[...token, ...ids, ...params].join(", ")})`;
  const use = route.list
    ? `for await (const each of ${call}) console.log(each);`
    : `console.log(await ${call});`;
  return [
    'import { Licentric } from "@licentric/sdk";',
    "",
    "const client = new Licentric(); // LICENTRIC_API_KEY and LICENTRIC_BASE_URL",
    use,
  ].join("\n");
}

/** Two calls take a part of the body by itself. */
function paramsOf(name: string, body: Json | undefined): string[] {
  if (body === undefined || body === null || typeof body !== "object" || Array.isArray(body)) return [];
  if (name === "usage.recordBatch") return [JSON.stringify(body["events"])];
  if (name === "mcp.authorize") {
    const { agentId = null, ...rest } = body;
    return [JSON.stringify(agentId), literal(rest)];
  }
  return [literal(body)];
}

/** An object as people write it: names without quotes. */
function literal(value: Json): string {
  return JSON.stringify(value)
    .replace(/"([A-Za-z_]\w*)":/g, "$1: ")
    .replace(/,(?=\w+: )/g, ", ")
    .replace(/^\{/, "{ ")
    .replace(/\}$/, " }");
}
