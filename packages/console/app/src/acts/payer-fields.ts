import type { Account, Customer } from "@licentric/contract";
import type { Field, Values } from "./act.ts";

type Payer = Pick<Account | Customer, "name" | "email" | "address" | "taxId">;

const PARTS = ["line1", "line2", "postalCode", "city", "state", "country"] as const;

const LABELS: Readonly<Record<(typeof PARTS)[number], string>> = {
  line1: "Street and number",
  line2: "Second line of the address",
  postalCode: "Postal code",
  city: "City",
  state: "State or region",
  country: "Country",
};

/** The fields of what stands on a payer's invoices, filled in with what it is now. */
export function payerFields({ name, email, address, taxId }: Payer): readonly Field[] {
  return [
    { name: "name", label: "Name", kind: "text", required: true, initial: name },
    {
      name: "email",
      label: "E-mail",
      kind: "email",
      initial: email ?? "",
      hint: "Stripe sends no invoice to a payer without one.",
    },
    ...PARTS.map(
      (part): Field => ({
        name: part,
        label: LABELS[part],
        kind: "text",
        initial: address?.[part] ?? "",
        ...(part === "country" && { hint: "Two letters: DE, US, for example." }),
      }),
    ),
    {
      name: "taxIdType",
      label: "Kind of tax id",
      kind: "text",
      initial: taxId?.type ?? "",
      hint: "As Stripe names it: eu_vat or us_ein, for example.",
    },
    { name: "taxIdValue", label: "Tax id", kind: "text", initial: taxId?.value ?? "" },
  ];
}

/** The change of a payer that was filled in. What was left empty is taken away. */
export function payerChange({ name, email, taxIdType, taxIdValue, ...values }: Values) {
  const parts = PARTS.flatMap((part) => {
    const text = values[part]?.trim();
    return text ? [[part, part === "country" ? text.toUpperCase() : text] as const] : [];
  });
  const hasTaxId = Boolean(taxIdType?.trim() || taxIdValue?.trim());
  return {
    name,
    email: email || null,
    address: parts.length === 0 ? null : Object.fromEntries(parts),
    taxId: hasTaxId ? { type: taxIdType?.trim(), value: taxIdValue?.trim() } : null,
  };
}
