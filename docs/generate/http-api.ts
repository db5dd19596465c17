import { type Route, routes } from "@licentric/contract";
import { code, document, table } from "./markdown.ts";
import { requestExamples } from "./request-examples.ts";
import { schemaTable } from "./schema-table.ts";

type Calls = Readonly<Record<string, Route>>;

const resources: readonly (readonly [string, Calls])[] = Object.entries(routes);

/** The pages of the HTTP API, by their names: one for each resource, and the first, which lists all calls. */
export function httpApiPages(): Record<string, string> {
  return {
    "index.md": indexPage(),
    ...Object.fromEntries(
      resources.map(([resource, calls]) => [`${resource}.md`, resourcePage(resource, calls)]),
    ),
  };
}

function indexPage(): string {
  return document(
    "# HTTP API",
    `Every path is below the API's origin. Requests and answers are JSON. A success is \`{ "data": … }\`; a list adds
\`"pagination": { "nextCursor", "hasMore" }\` and takes \`limit\` and \`cursor\`. What failed is an
[error](../errors.md). Every POST takes an \`Idempotency-Key\`: with the same key and body it answers what it answered
before, and does nothing twice.`,
    `The same as a document for programs: [OpenAPI 3.1](/openapi.json){target="_self"}. A server answers its
own at \`GET /api/v1/openapi.json\`.`,
    ...resources.flatMap(([resource, calls]) => [
      `## ${resource}`,
      table(
        ["call", "", "credential"],
        Object.entries(calls).map(([name, route]) => [
          `[${code(`${route.method} ${route.path}`)}](${resource}.md#${anchor(name)})`,
          route.summary,
          credential(route),
        ]),
      ),
    ]),
  );
}

function resourcePage(resource: string, calls: Calls): string {
  const seen = new Map<unknown, string>();
  return document(
    `# HTTP API: ${resource}`,
    ...Object.entries(calls).flatMap(([name, route]) => {
      const before = seen.get(route.response);
      seen.set(route.response, before ?? name);
      return callSection(resource, name, route, before);
    }),
  );
}

/** The call in each language; on the site, one at a time. */
function examples(resource: string, name: string, route: Route): string[] {
  const { curl, typescript, python, answer } = requestExamples(resource, name, route);
  const fence = (language: string, text: string) => [`\`\`\`${language}`, text, "```"].join("\n");
  return [
    [
      "::: code-group",
      fence("sh [curl]", curl),
      fence("ts [TypeScript]", typescript),
      fence("py [Python]", python),
      fence("json [answer]", answer),
      ":::",
    ].join("\n\n"),
  ];
}

/** A call; `before` is the name of one on the same page that answers the same. */
function callSection(resource: string, name: string, route: Route, before: string | undefined): string[] {
  return [
    `## ${name} {#${anchor(name)}}`,
    ["```http", `${route.method} ${route.path}`, "```"].join("\n"),
    `${route.summary} Needs ${credential(route)}. In the client: \`client.${clientName(route, name)}\`.`,
    ...examples(resource, name, route),
    ...(route.query ? ["Query:", schemaTable(route.query, "input")] : []),
    ...(route.body ? ["Body:", schemaTable(route.body, "input")] : []),
    ...answer(route, before),
  ];
}

function answer(route: Route, before: string | undefined): string[] {
  const what = `${code(String(route.status))} with ${route.list ? "a list" : "`data`"}`;
  if (before !== undefined)
    return [`Answers ${what}${route.list ? ", each item" : ""} as in [${before}](#${anchor(before)}).`];
  return [`Answers ${what}${route.list ? ", each item with" : ""}:`, schemaTable(route.response, "output")];
}

function credential({ auth, scope }: Route): string {
  switch (auth) {
    case "key":
      return `a key${scope ? ` with ${code(scope)}` : ""}`;
    case "agent":
      return "an agent's token";
    case "agent-or-expired":
      return "an agent's token, which may have expired since";
  }
}

function clientName(route: Route, name: string): string {
  const resource = resources.find(([, calls]) => Object.values(calls).includes(route))?.[0];
  return `${resource}.${name}`;
}

const anchor = (name: string) => name.toLowerCase();

/** Where a call is described, seen from the folder of the reference. */
export const pathOfCall = (resource: string, name: string) => `http/${resource}.md#${anchor(name)}`;
