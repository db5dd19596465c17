/** Adds until when Stripe's events were read from it, for each mode, as a clock of Stripe's says it. */
export const stripeEventsRead = `
CREATE TABLE stripe_events_read (
  mode text PRIMARY KEY,
  read_to timestamptz NOT NULL
);
`;
