import { createHmac, timingSafeEqual } from "node:crypto";
import { WebhookEvent } from "@licentric/contract";
import { WebhookVerificationError } from "./errors.ts";
import { type Secret, secretText } from "./secret.ts";

/** A request's headers, as the web, Node, Express, Fastify or Hono give them. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** Options of {@link constructEvent}. */
export interface ConstructEventOptions {
  /** Seconds by which the request's timestamp may differ from now, either way; 300 by default. */
  readonly tolerance?: number | undefined;
}

/**
 * Verifies that Licentric sent a webhook request (Standard Webhooks: HMAC-SHA256 over id, timestamp and body) and
 * gives its event.
 *
 * An event may be delivered more than once: keep its `id`, and do nothing the second time.
 *
 * @param rawBody - the body exactly as it arrived, before any JSON parser
 * @param headers - the request's headers, of which `webhook-id`, `webhook-timestamp` and `webhook-signature` are read
 * @param secret - what `webhooks.create` answered (`whsec_…`)
 * @throws WebhookVerificationError where it is not signed with the secret, or too old: answer 400
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { constructEvent } from "@licentric/sdk";
 *
 * createServer(async (request, response) => {
 *   const chunks: Buffer[] = [];
 *   for await (const chunk of request) chunks.push(chunk);
 *   try {
 *     const event = constructEvent(Buffer.concat(chunks), request.headers, process.env["LICENTRIC_WEBHOOK_SECRET"] ?? "");
 *     show(event.type);
 *     response.writeHead(204).end();
 *   } catch {
 *     response.writeHead(400).end();
 *   }
 * });
 * ```
 */
export function constructEvent(
  rawBody: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string | Secret,
  { tolerance = 300 }: ConstructEventOptions = {},
): WebhookEvent {
  if (typeof rawBody !== "string" && !(rawBody instanceof Uint8Array)) {
    throw new WebhookVerificationError(
      "The body was parsed before it was verified: pass it as it arrived, as text or bytes (for example with express.raw()).",
    );
  }
  const key = signingKey(secret);
  const id = required(headers, "webhook-id");
  const timestamp = required(headers, "webhook-timestamp");
  const signatures = required(headers, "webhook-signature");

  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(rawBody).digest();
  if (!signatures.split(" ").some((signature) => matches(signature, expected))) {
    throw new WebhookVerificationError(
      "The signature does not match: the secret is another webhook's, or the body is not exactly as it arrived.",
    );
  }
  const age = Date.now() / 1_000 - (/^\d{1,15}$/.test(timestamp) ? Number(timestamp) : Number.NaN);
  if (!(Math.abs(age) <= tolerance)) {
    throw new WebhookVerificationError(
      `The request's timestamp is more than ${tolerance} s away from now: it is a replay, or a clock is wrong.`,
    );
  }
  return parseEvent(rawBody);
}

function signingKey(secret: string | Secret): Buffer {
  const text = secretText(secret);
  const key = /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(text)
    ? Buffer.from(text.slice("whsec_".length), "base64")
    : "";
  if (key === "" || key.length < 16) {
    throw new WebhookVerificationError(
      'The signing secret is missing or malformed: it begins with "whsec_", as webhooks.create answered it.',
    );
  }
  return key;
}

function required(headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : fieldOf(headers, name);
  if (typeof value === "string" && value !== "") return value;
  throw new WebhookVerificationError(`The header ${name} is missing: this is not a signed webhook request.`);
}

function fieldOf(headers: Exclude<WebhookHeaders, Headers>, name: string): unknown {
  const value = headers[name] ?? Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return Array.isArray(value) ? value.join(" ") : value;
}

/** `v1,` and base64; other versions belong to other schemes and are passed over. */
function matches(signature: string, expected: Buffer): boolean {
  if (!signature.startsWith("v1,")) return false;
  const given = Buffer.from(signature.slice("v1,".length), "base64");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function parseEvent(rawBody: string | Uint8Array): WebhookEvent {
  const text = typeof rawBody === "string" ? rawBody : new TextDecoder().decode(rawBody);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw new WebhookVerificationError("The request is signed, and its body is not JSON.", { cause });
  }
  const event = WebhookEvent.safeParse(body);
  if (event.success) return event.data;
  const [issue] = event.error.issues;
  throw new WebhookVerificationError(
    `The request is signed, and its body is not an event: ${issue?.path.join(".")}: ${issue?.message}.`,
  );
}
