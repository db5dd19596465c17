import { type Account, type Customer, Licentric, PermissionDeniedError } from "@licentric/sdk";
import type { Config } from "@licentric/server";
import { askStripe } from "./ask-stripe.ts";
import type { Check } from "./check.ts";

const name = "payers";

/** Named in a message at most; the others are counted. */
const NAMED = 3;

/**
 * So many payers are looked up in Stripe: where all test data was deleted, or the key is another account's, the first
 * ones are missing already, and a single one who was deleted is told of by Stripe's event.
 */
const LOOKED_UP = 10;

/** Checks that Stripe can send an invoice to everybody who pays, where the key is for Stripe's mode. */
export async function checkPayers(
  { server: { stripe } }: Config,
  apiKey: string | undefined,
): Promise<Check[]> {
  if (stripe === undefined) return [];
  if (!apiKey?.startsWith(/_live_/.test(stripe.apiKey) ? "lk_live_" : "lk_test_")) return [];
  await using client = new Licentric({ maxRetries: 0, timeout: 10_000 });
  try {
    const unsendable: string[] = [];
    const missing: string[] = [];
    const isMissing = lookUp(stripe);
    const look = async (payer: Account | Customer, who: string) => {
      if (payer.email === null) unsendable.push(who);
      if (payer.stripeStatus === "missing" || (await isMissing(payer.stripeCustomerId))) missing.push(who);
    };
    const account = await client.account.get();
    await look(account, `the account "${account.name}"`);
    for await (const customer of client.customers.list({ limit: 100 }))
      await look(customer, `"${customer.name}" (${customer.id})`);
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

/** Finds out whether Stripe lacks a customer, of the first ones; of others, and where it does not answer, it is not known. */
function lookUp(stripe: NonNullable<Config["server"]["stripe"]>): (id: string | null) => Promise<boolean> {
  let left = LOOKED_UP;
  return async (id) => {
    if (id === null || left === 0) return false;
    left -= 1;
    try {
      const response = await askStripe(stripe, `/v1/customers/${id}`);
      const customer: unknown = await response.json();
      return response.status === 404 || (isObject(customer) && customer["deleted"] === true);
    } catch {
      // The check of Stripe itself says why it does not answer.
      left = 0;
      return false;
    }
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
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
