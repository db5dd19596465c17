/**
 * The account is a payer like any customer, in each mode by itself, and payers are kept in step with Stripe.
 *
 * `stripe_generation` counts how often a payer was taken off a Stripe customer: what was asked of Stripe for an earlier
 * one is never repeated for the next. `stripe_unsent` names what was changed here and is not in Stripe yet; `link` in it
 * says that the Stripe customer was named and not read yet. A period keeps the currency and the time zone that it began
 * with; null is the account's first one.
 */
export const payers = `
ALTER TABLE environments
  ADD COLUMN name text,
  ADD COLUMN email text,
  ADD COLUMN address jsonb,
  ADD COLUMN tax_id jsonb,
  ADD COLUMN currency text,
  ADD COLUMN time_zone text,
  ADD COLUMN stripe_generation int NOT NULL DEFAULT 0,
  ADD COLUMN stripe_unsent text[] NOT NULL DEFAULT '{}',
  ADD COLUMN stripe_missing boolean NOT NULL DEFAULT false,
  ADD COLUMN updated_at timestamptz;
ALTER TABLE customers
  ADD COLUMN address jsonb,
  ADD COLUMN tax_id jsonb,
  ADD COLUMN stripe_generation int NOT NULL DEFAULT 0,
  ADD COLUMN stripe_unsent text[] NOT NULL DEFAULT '{}',
  ADD COLUMN stripe_missing boolean NOT NULL DEFAULT false;
ALTER TABLE periods
  ADD COLUMN currency text,
  ADD COLUMN time_zone text;
CREATE INDEX environments_stripe ON environments (stripe_customer_id) WHERE stripe_customer_id IS NOT NULL;
CREATE INDEX customers_stripe ON customers (stripe_customer_id) WHERE stripe_customer_id IS NOT NULL;
`;
