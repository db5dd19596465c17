/** Invoices that can be voided and credited, what Stripe was asked for, webhooks in and out, shared rate limits. */
export const invoicingAndWebhooks = `
ALTER TABLE invoices
  ADD COLUMN stripe_configured boolean NOT NULL DEFAULT false,
  ADD COLUMN announced_at timestamptz,
  ADD COLUMN voided_at timestamptz;
UPDATE invoices SET stripe_configured = true WHERE stripe_invoice_id IS NOT NULL;

-- A void invoice bills nothing, so its usage can be invoiced again. Of those that bill there is one for each payer.
DROP INDEX invoices_once;
CREATE UNIQUE INDEX invoices_once ON invoices (period_id, customer_id) NULLS NOT DISTINCT WHERE status <> 'void';

CREATE TABLE credit_notes (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  invoice_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'issued', 'refused')),
  amount text NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  settlement text,
  reason text,
  memo text,
  stripe_credit_note_id text UNIQUE,
  created_at timestamptz NOT NULL,
  UNIQUE (environment_id, id)
);
ALTER TABLE invoices ADD UNIQUE (environment_id, id);
ALTER TABLE credit_notes ADD FOREIGN KEY (environment_id, invoice_id) REFERENCES invoices (environment_id, id);
CREATE INDEX ON credit_notes (invoice_id, id);

-- One row for each thing that Stripe was asked to make, written before it is asked: which idempotency key is in
-- use, since when, and whether Stripe answered with a failure that it would repeat for as long as it keeps the key.
CREATE TABLE stripe_steps (
  subject_id uuid NOT NULL,
  step text NOT NULL,
  attempt int NOT NULL,
  first_started_at timestamptz NOT NULL,
  started_at timestamptz NOT NULL,
  spent boolean NOT NULL DEFAULT false,
  PRIMARY KEY (subject_id, step)
);

CREATE TABLE stripe_events (
  id text PRIMARY KEY,
  received_at timestamptz NOT NULL
);
CREATE INDEX ON stripe_events (received_at);

-- No column for the signing secret: it is derived from the server's own secret key and the webhook's id.
CREATE TABLE webhooks (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments,
  url text NOT NULL,
  events text[] NOT NULL,
  enabled boolean NOT NULL,
  disabled_reason text,
  failing_since timestamptz,
  secret_key_id text NOT NULL,
  metadata jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (environment_id, id)
);

-- The outbox: what is to be sent is written in the transaction of the change that it tells of.
CREATE TABLE webhook_deliveries (
  event_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  environment_id uuid NOT NULL,
  body text NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  delivered_at timestamptz,
  last_error text,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (event_id, webhook_id),
  FOREIGN KEY (environment_id, webhook_id) REFERENCES webhooks (environment_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at)
  WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at) WHERE next_attempt_at IS NULL;

-- Not logged: after a crash of the database the counts begin again, which costs nothing but a window's limit.
CREATE UNLOGGED TABLE rate_limits (
  bucket text PRIMARY KEY,
  window_start timestamptz NOT NULL,
  count bigint NOT NULL
);
`;
