import { Licentric, PermissionDeniedError } from "@licentric/sdk";
import type { Config } from "@licentric/server";
import type { Check } from "./check.ts";

const name = "payers";

/** Named in a message at most; the others are counted. */
const NAMED = 3;

/** Whether everybody who pays can be sent an invoice by Stripe. Only where the key is for Stripe's mode. */
export async function checkPayers(
  { server: { stripe } }: Config,
  apiKey: string | undefined,
): Promise<Check[]> {
  const mode = stripe && (/_live_/.test(stripe.apiKey) ? "live" : "test");
  if (mode === undefined || !apiKey?.startsWith(`lk_${mode}_`)) return [];
  await using client = new Licentric({ maxRetries: 0, timeout: 10_000 });
  try {
    const account = await client.account.get();
    const unsendable = account.email === null ? [`the account "${account.name}"`] : [];
    const missing = account.stripeStatus === "missing" ? [`the account "${account.name}"`] : [];
    for await (const customer of client.customers.list({ limit: 100 })) {
      if (customer.email === null) unsendable.push(`"${customer.name}" (${customer.id})`);
      if (customer.stripeStatus === "missing") missing.push(`"${customer.name}" (${customer.id})`);
    }
    return checksOf(unsendable, missing);
  } catch (error) {
    if (!(error instanceof PermissionDeniedError && error.answeredByApi)) throw error;
    return [
      {
        name,
        status: "skipped",
        message: "Not known: the key has scopes, without account:read or customers:read.",
      },
    ];
  }
}

function checksOf(unsendable: readonly string[], missing: readonly string[]): Check[] {
  const checks: Check[] = [];
  if (unsendable.length > 0) {
    checks.push({
      name,
      status: "warning",
      message: `Stripe sends no invoice without an e-mail address, and there is none for ${listed(unsendable)}.`,
      advice: "`licentric account update --email …`, `licentric customers update <id> --email …`.",
    });
  }
  if (missing.length > 0) {
    checks.push({
      name,
      status: "warning",
      message: `Stripe has no such customer any more for ${listed(missing)}.`,
      advice:
        "`licentric account update --stripe-customer none`, `licentric customers update <id> --stripe-customer none`: one is made anew.",
    });
  }
  return checks.length > 0
    ? checks
    : [{ name, status: "ok", message: "Everybody who pays has an e-mail address." }];
}

function listed(payers: readonly string[]): string {
  const more = payers.length - NAMED;
  return payers.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
