import type { Account, Customer } from "@licentric/sdk";
import { type Command, InvalidArgumentError, Option } from "commander";
import { usageError } from "./exit-codes.ts";
import { keyValue } from "./parse.ts";
import { fields } from "./terminal/table.ts";

/** What a command is told of a payer. */
export interface PayerOptions {
  readonly name?: string;
  readonly email?: string;
  readonly address?: Record<string, string> | null;
  readonly taxId?: { readonly type: string; readonly value: string } | null;
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

function addressPart(text: string, previous: Record<string, string> | null | undefined) {
  return text === "none" ? null : keyValue(text, previous ?? undefined);
}

function taxId(text: string): PayerOptions["taxId"] {
  if (text === "none") return null;
  const [type, ...value] = text.split(":");
  if (type && value.length > 0) return { type, value: value.join(":") };
  throw new InvalidArgumentError("Write type:value, for example eu_vat:DE123456789.");
}

/** What a new payer has besides a name. */
export function toPayer({ email, address, taxId, stripeCustomer: stripeCustomerId }: PayerOptions) {
  return {
    ...(email && { email }),
    ...(address && { address }),
    ...(taxId && { taxId }),
    ...(stripeCustomerId && { stripeCustomerId }),
  };
}

/**
 * What is to change of a payer.
 *
 * @throws CommandError where nothing is
 */
export function toPayerChange(
  { name, email, address, taxId, stripeCustomer }: PayerOptions,
  more: object = {},
) {
  const orNone = (text: string) => (text === "none" ? null : text);
  const change = {
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email: orNone(email) }),
    ...(address !== undefined && { address }),
    ...(taxId !== undefined && { taxId }),
    ...(stripeCustomer !== undefined && { stripeCustomerId: orNone(stripeCustomer) }),
    ...more,
  };
  if (Object.keys(change).length > 0) return change;
  throw usageError(
    "Say what to change, for example --email billing@acme.example. --help shows what there is.",
  );
}

/** What invoices say of a payer, and how he stands with Stripe. */
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
