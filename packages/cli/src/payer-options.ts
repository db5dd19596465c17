import type { Account, Customer } from "@licentric/sdk";
import { type Command, InvalidArgumentError, Option } from "commander";
import { usageError } from "./exit-codes.ts";
import { keyValue } from "./parse.ts";
import { fields } from "./terminal/table.ts";

/** Takes away what an option names. */
export const NONE = "none";

/** The options of a command that describe a payer. */
export interface PayerOptions {
  readonly name?: string;
  readonly email?: string;
  readonly address?: Record<string, string> | typeof NONE;
  readonly taxId?: { readonly type: string; readonly value: string } | typeof NONE;
  readonly stripeCustomer?: string;
}

/** Gives a command the options that say how invoices reach a payer. */
export function withPayerOptions(command: Command): Command {
  return command
    .option("--email <address>", "where invoices are sent")
    .addOption(
      new Option(
        "--address <part=value>",
        "a part of the address: line1, line2, city, state, postalCode, country; may be given again",
      ).argParser(addressPart),
    )
    .addOption(new Option("--tax-id <type:value>", "for example eu_vat:DE123456789").argParser(taxId))
    .option("--stripe-customer <id>", "cus_… that is there already; else one is made with the first invoice");
}

/** Gives a command the options that change a payer. */
export function withPayerChanges(command: Command): Command {
  return withPayerOptions(command.option("--name <name>", "as it stands on invoices")).addHelpText(
    "after",
    "\n`none` takes the e-mail address, the address, the tax id or the Stripe customer away. Another Stripe customer is" +
      "\nmade with the next invoice then.",
  );
}

function addressPart(text: string, previous: PayerOptions["address"]) {
  return text === NONE ? NONE : keyValue(text, previous === NONE ? undefined : previous);
}

function taxId(text: string): PayerOptions["taxId"] {
  if (text === NONE) return NONE;
  const [type, ...value] = text.split(":");
  if (type && value.length > 0) return { type, value: value.join(":") };
  throw new InvalidArgumentError("Write type:value, for example eu_vat:DE123456789.");
}

/** Returns the details of a new payer besides the name. */
export function toPayer({ email, address, taxId, stripeCustomer: stripeCustomerId }: PayerOptions) {
  return {
    ...(email && { email }),
    ...(address && address !== NONE && { address }),
    ...(taxId && taxId !== NONE && { taxId }),
    ...(stripeCustomerId && { stripeCustomerId }),
  };
}

/**
 * Returns the changes to a payer.
 *
 * @throws CommandError where there are none
 */
export function toPayerChange(
  { name, email, address, taxId, stripeCustomer }: PayerOptions,
  more: object = {},
) {
  const orNull = <Value>(value: Value | typeof NONE) => (value === NONE ? null : value);
  const change = {
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email: orNull(email) }),
    ...(address !== undefined && { address: orNull(address) }),
    ...(taxId !== undefined && { taxId: orNull(taxId) }),
    ...(stripeCustomer !== undefined && { stripeCustomerId: orNull(stripeCustomer) }),
    ...more,
  };
  if (Object.keys(change).length > 0) return change;
  throw usageError(
    "Say what to change, for example --email billing@acme.example. --help shows what there is.",
  );
}

/** The details of a payer that invoices show, and the payer's state in Stripe, for people. */
export function payerView(
  payer: Account | Customer,
  more: readonly (readonly [name: string, value: string | null | undefined])[],
): string {
  const { address, taxId, stripeCustomerId, stripeStatus } = payer;
  const { line1, line2, postalCode, city, state, country } = address ?? {};
  const place = [postalCode, city].filter(Boolean).join(" ");
  return fields([
    ["id", payer.id],
    ["name", payer.name],
    ["email", payer.email],
    ["address", [line1, line2, place, state, country].filter(Boolean).join(", ")],
    ["tax id", taxId ? `${taxId.type} ${taxId.value}` : null],
    ["stripe", stripeCustomerId === null ? null : `${stripeCustomerId} (${stripeStatus ?? "linked"})`],
    ...more,
  ]);
}
