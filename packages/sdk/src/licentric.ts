import { platform } from "#platform";
import { createApi } from "./api.ts";
import { LicentricError } from "./errors.ts";
import {
  type ClientOptions,
  checkBytes,
  checkMilliseconds,
  checkRetries,
  DEFAULT_MAX_RESPONSE_BYTES,
  DEFAULT_MAX_RETRIES,
  DEFAULT_TIMEOUT,
  resolveApiKey,
  resolveBaseUrl,
  variableFor,
} from "./options.ts";
import { AccountResource } from "./resources/account.ts";
import { Agents } from "./resources/agents.ts";
import { AuditEvents } from "./resources/audit-events.ts";
import { Billing } from "./resources/billing.ts";
import { Budgets } from "./resources/budgets.ts";
import { Console } from "./resources/console.ts";
import { Credentials } from "./resources/credentials.ts";
import { Customers } from "./resources/customers.ts";
import { Keys } from "./resources/keys.ts";
import { Mcp } from "./resources/mcp.ts";
import { Meters } from "./resources/meters.ts";
import { Usage } from "./resources/usage.ts";
import { Webhooks } from "./resources/webhooks.ts";
import { type Connection, openConnection } from "./transport/connection.ts";
import { fetchTransport } from "./transport/fetch-transport.ts";
import type { Transport } from "./transport/transport.ts";

/**
 * The Licentric client. Make one and keep it: on Node it holds a pool of connections, which does not keep a
 * finished program alive; elsewhere the runtime's `fetch` does.
 *
 * @example
 * ```ts
 * import { Licentric } from "@licentric/sdk";
 *
 * const client = new Licentric({ apiKey: process.env["LICENTRIC_API_KEY"] });
 *
 * const agent = await client.agents.create({ name: "research-bot" });
 * const { token } = await client.mcp.authorize(agent.id, { scopes: ["mcp:invoke"] });
 * await client.mcp.verify(token, { meterName: "api_calls" });
 *
 * const { id } = await client.billing.getCurrentPeriod();
 * await client.billing.closePeriod(id, { waitForFlush: true });
 * const invoice = await client.billing.createInvoice(id);
 * ```
 */
export class Licentric {
  /** The URL that requests go to, without a slash at the end. */
  readonly baseUrl: string;
  /** Agents' tokens: issue, verify, meter. */
  readonly mcp: Mcp;
  /** The callers of your tools. */
  readonly agents: Agents;
  /** The agents' tokens without their secrets: list, revoke, rotate. */
  readonly credentials: Credentials;
  /** The meters: what is counted, and what it costs. */
  readonly meters: Meters;
  /** Limits on what agents may use. */
  readonly budgets: Budgets;
  /** Usage that was recorded, and recording it without an agent's token. */
  readonly usage: Usage;
  /** Months of usage, and the invoices made of them. */
  readonly billing: Billing;
  /** The account itself: its name, how it pays, its currency and time zone. */
  readonly account: AccountResource;
  /** The customers, who pay for the agents. */
  readonly customers: Customers;
  /** The owner's console: its sign-in. */
  readonly console: Console;
  /** Management keys. */
  readonly keys: Keys;
  /** The audit log: who changed what. */
  readonly auditEvents: AuditEvents;
  /** The endpoints that events are sent to, and the check of what arrives there. */
  readonly webhooks: Webhooks;
  readonly #connection: Connection;

  /**
   * @throws AuthenticationError where the management key is missing, malformed, or an agent's token
   * @throws LicentricError where another option is not legal
   */
  constructor(options: ClientOptions = {}) {
    const baseUrl = resolveBaseUrl(options.baseUrl, variableFor(options.baseUrl, "LICENTRIC_BASE_URL"));
    const config = {
      apiKey: resolveApiKey(options.apiKey, variableFor(options.apiKey, "LICENTRIC_API_KEY")),
      baseUrl,
      timeout: checkMilliseconds("timeout", options.timeout ?? DEFAULT_TIMEOUT),
      deadline: options.deadline === undefined ? undefined : checkMilliseconds("deadline", options.deadline),
      maxRetries: checkRetries(options.maxRetries ?? DEFAULT_MAX_RETRIES),
      maxResponseBytes: checkBytes(
        "maxResponseBytes",
        options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES,
      ),
      headers: options.headers ?? {},
      logger: options.logger,
    };
    this.#connection = openConnection(openTransport(baseUrl, options));
    const api = createApi({ ...config, connection: this.#connection });

    this.baseUrl = baseUrl.href.replace(/\/$/, "");
    this.mcp = new Mcp(api);
    this.agents = new Agents(api);
    this.credentials = new Credentials(api);
    this.meters = new Meters(api);
    this.budgets = new Budgets(api);
    this.usage = new Usage(api);
    this.billing = new Billing(api, this.usage);
    this.account = new AccountResource(api);
    this.customers = new Customers(api);
    this.console = new Console(api);
    this.keys = new Keys(api);
    this.auditEvents = new AuditEvents(api);
    this.webhooks = new Webhooks(api);
  }

  /**
   * Waits for the requests in flight and closes the client's connections; later calls throw. A `dispatcher` that
   * was passed in stays open for others. Closing again does nothing.
   *
   * @example
   * ```ts
   * await client.close();
   * ```
   */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** The same as {@link Licentric.close}, for `await using client = new Licentric()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function openTransport(baseUrl: URL, { dispatcher, fetch }: ClientOptions): Transport {
  if (dispatcher && fetch) {
    throw new LicentricError("dispatcher and fetch are two ways to send: pass one of them.");
  }
  if (fetch) return fetchTransport(fetch);
  if (platform.openTransport) return platform.openTransport(baseUrl, dispatcher);
  if (dispatcher) {
    throw new LicentricError("dispatcher is undici's, and works on Node alone: pass fetch on this runtime.");
  }
  // Looked up at each request: as a method of anything else, it would not run on Workers.
  return fetchTransport((url, init) => globalThis.fetch(url, init));
}
