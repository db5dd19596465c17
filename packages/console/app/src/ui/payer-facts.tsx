import type { Account, Customer } from "@licentric/contract";
import type { ReactNode } from "react";
import { visible } from "../text.ts";
import { Code, None } from "./values.tsx";

/** Details of a payer besides the name. */
export function payerFacts({
  email,
  address,
  taxId,
  stripeCustomerId,
}: Account | Customer): readonly (readonly [string, ReactNode])[] {
  const { line1, line2, postalCode, city, state, country } = address ?? {};
  const place = [postalCode, city].filter(Boolean).join(" ");
  const lines = [line1, line2, place, state, country].filter(Boolean);
  return [
    ["E-mail", shown("email", email)],
    ["Address", shown("address", lines.length === 0 ? null : lines.join(", "))],
    ["Tax id", shown("tax", taxId?.value ?? null)],
    [
      "Stripe customer",
      stripeCustomerId === null ? <None key="none" /> : <Code key="stripe">{stripeCustomerId}</Code>,
    ],
  ];
}

const shown = (key: string, text: string | null) =>
  text === null ? <None key={key} /> : <bdi key={key}>{visible(text)}</bdi>;
