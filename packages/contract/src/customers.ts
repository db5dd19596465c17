import { z } from "zod";
import { DisplayName, Id, Metadata, Timestamp } from "./primitives.ts";

const email = z.email().max(320);
const stripeCustomerId = z.string().regex(/^cus_\w{1,250}$/, 'a Stripe customer id begins with "cus_"');

/** Who pays for one or more agents. */
export const Customer = z.object({
  id: Id,
  name: DisplayName,
  email: email.nullable(),
  stripeCustomerId: stripeCustomerId.nullable(),
  metadata: Metadata,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

/** Who pays for one or more agents. */
export type Customer = z.infer<typeof Customer>;

/** What `customers.create` takes. Without `stripeCustomerId`, one is made in Stripe with the first invoice. */
export const CreateCustomer = z.strictObject({
  name: DisplayName,
  email: email.optional(),
  stripeCustomerId: stripeCustomerId.optional(),
  metadata: Metadata.optional(),
});

/** What `customers.update` takes: what is left out stays as it is. */
export const UpdateCustomer = z.strictObject({
  name: DisplayName.optional(),
  email: email.nullable().optional(),
  stripeCustomerId: stripeCustomerId.nullable().optional(),
  metadata: Metadata.optional(),
});
