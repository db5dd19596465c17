import { STATUS_CODES } from "node:http";
import { type Route, routes } from "../../packages/contract/src/index.ts";
import { INVOICE_PAGE_PATH } from "../../packages/server/src/billing/invoice-page-route.ts";
import { STRIPE_WEBHOOK_PATH } from "../../packages/server/src/billing/stripe-webhook.ts";
import { CONSOLE_KEY_PATH } from "../../packages/server/src/console/routes.ts";

const calls = Object.values(routes).flatMap((resource) => Object.values<Route>(resource));

/** Every request that a document may show: the contract's calls, what else the API answers, and an MCP server. */
const requests = [
  ...calls.map(({ method, path }) => `${method} ${path}`),
  "GET /api/v1/openapi.json",
  "GET /healthz",
  "GET /metrics",
  "GET /readyz",
  `GET ${INVOICE_PAGE_PATH}`,
  `POST ${CONSOLE_KEY_PATH}`,
  `POST ${STRIPE_WEBHOOK_PATH}`,
  "POST /mcp",
].map((request) => new RegExp(`^${request.replace(/:\w+/g, "[^/]+")}$`));

/** What is wrong with a request: nobody answers it. */
export function problemOfRequest(method: string, target: string): string | undefined {
  const request = `${method} ${target.split("?")[0]}`;
  return requests.some((each) => each.test(request)) ? undefined : `there is no route ${request}`;
}

/** The same of code in prose, where it is a request. */
export function problemsOfMentionedRequest(code: string): string[] {
  const [, method, target] = /^(GET|POST|PATCH|PUT|DELETE) (\/\S*)$/.exec(code) ?? [];
  const problem = method && target && problemOfRequest(method, target);
  return problem ? [problem] : [];
}

/** What is wrong with a request or an answer as it is sent: its first line, its headers, a body of JSON. */
export function problemsOfMessage(message: string): string[] {
  const [head = "", ...body] = message.trimEnd().split("\n\n");
  const [start = "", ...headers] = head.split("\n");
  const [, method, target] = /^([A-Z]+) (\/\S*) HTTP\/1\.1$/.exec(start) ?? [];
  const [, status = "", reason = ""] = /^HTTP\/1\.1 (\d{3}) (.+)$/.exec(start) ?? [];
  const problems = headers.filter((line) => !/^[\w-]+: \S/.test(line)).map((line) => `no header: ${line}`);
  const problem = method && target && problemOfRequest(method, target);
  if (problem) problems.push(problem);
  else if (!method && STATUS_CODES[status] !== reason) problems.push(`no request, no answer: ${start}`);
  return body.length === 0 ? problems : [...problems, ...problemsOfJson(body.join("\n\n"))];
}

/** What is wrong with a text that is to be JSON. */
export function problemsOfJson(text: string): string[] {
  try {
    JSON.parse(text);
    return [];
  } catch (error) {
    return [String(error)];
  }
}
