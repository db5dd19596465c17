import type { Config } from "@licentric/server";
import { askStripe } from "./ask-stripe.ts";
import type { Check } from "./check.ts";
import { askReadiness } from "./readiness.ts";

const name = "stripe";

/** Checks that Stripe accepts the key, for invoices, and can report what becomes of them. */
export async function checkStripe(
  { server: { stripe } }: Config,
  apiKeyOfLicentric: string | undefined,
  apiUrl: string | undefined,
): Promise<Check> {
  if (stripe === undefined) return askApi(apiUrl);
  const mode = /_live_/.test(stripe.apiKey) ? "live" : "test";
  let status: number;
  try {
    const response = await askStripe(stripe, "/v1/invoices?limit=1");
    await response.body?.cancel();
    ({ status } = response);
  } catch (error) {
    const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause : error).message : "";
    return {
      name,
      status: "failed",
      message: `Stripe cannot be reached: ${reason}.`,
      advice: "Let this machine reach api.stripe.com by HTTPS.",
    };
  }
  if (status === 401) {
    return {
      name,
      status: "failed",
      message: "Stripe does not take STRIPE_API_KEY.",
      advice: "Copy the key from https://dashboard.stripe.com/apikeys; it may have been rolled.",
    };
  }
  if (status === 403) {
    return {
      name,
      status: "failed",
      message: "The restricted key STRIPE_API_KEY may not read invoices.",
      advice: "Give it write access to Customers, Invoices and Credit notes.",
    };
  }
  if (status !== 200) {
    return { name, status: "warning", message: `Stripe answered ${status}.`, advice: "Try again later." };
  }
  if (apiKeyOfLicentric !== undefined && !apiKeyOfLicentric.startsWith(`lk_${mode}_`)) {
    return {
      name,
      status: "warning",
      message: `STRIPE_API_KEY is for ${mode} data, and LICENTRIC_API_KEY is not: its invoices are not sent.`,
      advice: "Use keys of the same mode.",
    };
  }
  if (stripe.webhookSecret === undefined) {
    return {
      name,
      status: "warning",
      message: `Stripe takes the key, for ${mode} data. Nothing tells the API which invoices are paid.`,
      advice:
        "Make an endpoint for <the API's URL>/webhooks/stripe in Stripe, and set STRIPE_WEBHOOK_SECRET to its whsec_….",
    };
  }
  return { name, status: "ok", message: `Stripe takes the key, for ${mode} data.` };
}

/** Asks the API whether it has a key of Stripe's, where this machine has none. */
async function askApi(apiUrl: string | undefined): Promise<Check> {
  const { stripe } = apiUrl === undefined ? {} : await askReadiness(apiUrl);
  const advice = "Set STRIPE_API_KEY where the API runs, to have Stripe send invoices.";
  if (stripe === undefined) {
    const message = "Not known: STRIPE_API_KEY is not set here, and the API does not say whether it has one.";
    return { name, status: "skipped", message, advice };
  }
  if (stripe === null) {
    const message = "The API has no key of Stripe's: invoices are computed and not sent.";
    return { name, status: "skipped", message, advice };
  }
  return { name, status: "ok", message: `The API has a key of Stripe's, for ${stripe} data.` };
}
