import type { Mode } from "@licentric/contract";
import Stripe from "stripe";
import { ApiError } from "../http/api-error.ts";

/** Options for the connection to Stripe. */
export interface StripeOptions {
  /** `sk_test_…` or `rk_test_…` invoices test data, `sk_live_…` or `rk_live_…` live data; never the other. */
  readonly apiKey: string;
  /** `whsec_…` of the endpoint that Stripe's events are sent to, `/webhooks/stripe`. Without it, none is taken. */
  readonly webhookSecret?: string | undefined;
  /** Another origin than Stripe's own, for tests on loopback. */
  readonly baseUrl?: string | undefined;
  /** Milliseconds to wait for one answer. 20000 by default. */
  readonly timeout?: number | undefined;
}

/** Stripe for the mode that the key is for. */
export interface StripeConnection {
  readonly mode: Mode;
  readonly api: Stripe;
  readonly webhookSecret: string | null;
}

const TIMEOUT = 20_000;

/** @throws {RangeError} when the key is not a secret or restricted key of Stripe's. */
export function connectStripe(
  { apiKey, baseUrl, webhookSecret, timeout }: StripeOptions,
  onRequest: OnStripeRequest = () => undefined,
): StripeConnection {
  const mode = /^[sr]k_(test|live)_\w+$/.exec(apiKey)?.[1];
  if (mode !== "test" && mode !== "live") {
    throw new RangeError(
      "STRIPE_API_KEY is not a Stripe secret key. It begins with sk_test_, sk_live_, rk_test_ or rk_live_.",
    );
  }
  const origin = baseUrl === undefined ? undefined : new URL(baseUrl);
  const api = new Stripe(apiKey, {
    maxNetworkRetries: 2,
    timeout: timeout ?? TIMEOUT,
    telemetry: false,
    httpClient: measuredHttp(onRequest),
    appInfo: { name: "licentric" },
    ...(origin && {
      host: origin.hostname,
      port: Number(origin.port || (origin.protocol === "https:" ? 443 : 80)),
      protocol: origin.protocol === "http:" ? "http" : "https",
    }),
  });
  return { mode, api, webhookSecret: webhookSecret ?? null };
}

/** Told of each request to Stripe when it has ended: `ok`, `refused`, `rate-limited`, `failed` or `unreachable`. */
export type OnStripeRequest = (outcome: string, milliseconds: number) => void;

/** Node's HTTP client as Stripe's library has it, with each attempt told of. */
function measuredHttp(onRequest: OnStripeRequest): ReturnType<typeof Stripe.createNodeHttpClient> {
  const http = Stripe.createNodeHttpClient();
  const makeRequest = http.makeRequest.bind(http);
  http.makeRequest = async (...request) => {
    const started = performance.now();
    let outcome = "unreachable";
    try {
      const response = await makeRequest(...request);
      outcome = outcomeOf(response.getStatusCode());
      return response;
    } finally {
      onRequest(outcome, performance.now() - started);
    }
  };
  return http;
}

function outcomeOf(status: number): string {
  if (status >= 500) return "failed";
  if (status === 429) return "rate-limited";
  return status >= 400 ? "refused" : "ok";
}

/** The wall between test and live: a key of Stripe's serves the mode that it is for. */
export function stripeFor(
  mode: Mode,
  { stripe }: { readonly stripe: StripeConnection | null },
): StripeConnection | null {
  return stripe?.mode === mode ? stripe : null;
}

/**
 * Converts an error of Stripe's to the one that the caller is told; returns any other error as it is. A
 * request that Stripe finds wrong is refused again however often it is repeated, so it is not an outage of
 * Stripe's.
 */
export function stripeFailure(error: unknown, what: string, details: Record<string, unknown>): unknown {
  if (!(error instanceof Stripe.errors.StripeError)) return error;
  const reason = redact(error.message);
  const told = { ...details, stripeCode: error.code ?? null, stripeRequestId: error.requestId ?? null };
  if (isRefusal(error)) {
    return new ApiError(
      "UNPROCESSABLE",
      `Stripe did not ${what}: ${reason} Repeating it as it is changes nothing: put right what Stripe names, and repeat it then. Nothing is lost.`,
      { ...told, stripeParam: error.param ?? null },
    );
  }
  if (error.statusCode === 401 || error.statusCode === 403) {
    return new ApiError(
      "UPSTREAM_ERROR",
      `Stripe did not ${what}: it does not take the server's key for this (${reason}). Whoever runs the server checks STRIPE_API_KEY (\`licentric doctor\`); the same request goes on then.`,
      told,
    );
  }
  return new ApiError(
    "UPSTREAM_ERROR",
    `Stripe did not ${what} (${error.type}: ${reason}). Nothing is lost: repeat the request and it goes on where it stopped.`,
    told,
  );
}

/** Stripe's own messages show keys, most of them masked; none of them is a caller's business. */
function redact(message: string): string {
  return message.replace(/\b([sr]k|whsec)_[\w*]+/g, "$1_…");
}

/** Checks whether Stripe refused the request for good: it is wrong, or names what is not there. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) return false;
  return error.statusCode === 400 || error.statusCode === 404;
}

/**
 * Checks whether Stripe answered that an object does not exist: 404 for one in the path, 400 for one that is
 * referred to.
 */
export function isMissing(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  return error.statusCode === 404 || error.code === "resource_missing";
}

/** Milliseconds by which our clock may be ahead of Stripe's. What is found by its time is checked by its metadata anyway. */
export const CLOCK_DIFFERENCE = 60 * 60 * 1_000;

/** A time as Stripe counts it. */
export function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1_000);
}
