import type { StripeStatus } from "@licentric/contract";
import { Badge, type Tone } from "./values.tsx";

const STATES: Readonly<Record<StripeStatus, readonly [Tone, string]>> = {
  none: ["neutral", "Not in Stripe yet"],
  linked: ["good", "In Stripe"],
  pending: ["warn", "Change not sent yet"],
  missing: ["bad", "Missing in Stripe"],
};

/** State of a payer in Stripe, in words. */
export function StripeBadge({ status = "none" }: { readonly status?: StripeStatus }) {
  const [tone, text] = STATES[status];
  return <Badge tone={tone}>{text}</Badge>;
}
