import type { Config } from "@licentric/server";

/** Asks Stripe by the server's key, and waits 10 seconds for its answer. */
export function askStripe(
  { apiKey, baseUrl }: NonNullable<Config["server"]["stripe"]>,
  path: string,
): Promise<Response> {
  return fetch(new URL(path, baseUrl ?? "https://api.stripe.com"), {
    headers: { authorization: `Bearer ${apiKey}` },
    redirect: "error",
    signal: AbortSignal.timeout(10_000),
  });
}
