/**
 * Every row of business data carries `environment_id`: one account in one mode (test or live), which is the wall
 * between tenants. References between such rows include it, so that the database itself refuses one that crosses
 * the wall.
 */
export const initial = `
CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  currency text NOT NULL,
  time_zone text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE environments (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  stripe_customer_id text,
  UNIQUE (account_id, mode)
);

CREATE TABLE management_keys (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments,
  name text,
  scopes text[],
  secret_hash text NOT NULL UNIQUE,
  hint text NOT NULL,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL
);
CREATE INDEX ON management_keys (environment_id, id);

CREATE TABLE customers (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments,
  name text NOT NULL,
  email text,
  stripe_customer_id text,
  metadata jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (environment_id, id)
);

CREATE TABLE agents (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments,
  customer_id uuid,
  name text NOT NULL,
  status text NOT NULL CHECK (status IN ('active', 'suspended')),
  metadata jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted_at timestamptz,
  UNIQUE (environment_id, id),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id)
);

CREATE TABLE credentials (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  name text,
  scopes text[] NOT NULL,
  secret_hash text NOT NULL UNIQUE,
  hint text NOT NULL,
  expires_at timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL,
  UNIQUE (environment_id, id),
  FOREIGN KEY (environment_id, agent_id) REFERENCES agents (environment_id, id)
);
CREATE INDEX ON credentials (agent_id, id);

CREATE TABLE meters (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments,
  name text NOT NULL,
  display_name text NOT NULL,
  unit text NOT NULL,
  metadata jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (environment_id, name),
  UNIQUE (environment_id, id)
);

CREATE TABLE meter_prices (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  meter_id uuid NOT NULL,
  price jsonb NOT NULL,
  effective_from timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE INDEX ON meter_prices (meter_id, effective_from, id);

CREATE TABLE periods (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments,
  status text NOT NULL CHECK (status IN ('open', 'closed')),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL CHECK (ends_at >= starts_at),
  closed_at timestamptz CHECK ((closed_at IS NULL) = (status = 'open')),
  created_at timestamptz NOT NULL,
  UNIQUE (environment_id, id)
);
CREATE INDEX ON periods (environment_id, status, starts_at);

-- No foreign keys: rows are only ever added, by one statement that joins the tables they refer to, and a check of
-- four keys for each row would take longer than the insert.
CREATE TABLE usage_events (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  period_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  customer_id uuid,
  meter_id uuid NOT NULL,
  quantity bigint NOT NULL CHECK (quantity > 0),
  idempotency_key text,
  occurred_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  metadata jsonb
);
CREATE UNIQUE INDEX usage_events_idempotency ON usage_events (environment_id, agent_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX usage_events_list ON usage_events (environment_id, id);

-- Kept as events arrive, so that closing a period costs the same whatever the number of events. The limit is
-- 2^53 - 1, the largest whole number that JSON and JavaScript carry exactly.
CREATE TABLE usage_totals (
  environment_id uuid NOT NULL,
  period_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  customer_id uuid,
  meter_id uuid NOT NULL,
  day date NOT NULL,
  quantity bigint NOT NULL CHECK (quantity BETWEEN 0 AND 9007199254740991),
  event_count bigint NOT NULL,
  FOREIGN KEY (environment_id, period_id) REFERENCES periods (environment_id, id),
  FOREIGN KEY (environment_id, agent_id) REFERENCES agents (environment_id, id),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX usage_totals_key ON usage_totals (period_id, agent_id, meter_id, day, customer_id) NULLS NOT DISTINCT;
CREATE INDEX usage_totals_agent ON usage_totals (agent_id, meter_id);

CREATE TABLE invoices (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  period_id uuid NOT NULL,
  customer_id uuid,
  status text NOT NULL CHECK (status IN ('computed', 'draft', 'open', 'paid', 'payment_failed', 'void', 'uncollectible')),
  currency text NOT NULL,
  lines jsonb NOT NULL,
  total text NOT NULL,
  metadata jsonb NOT NULL,
  stripe_customer_id text,
  stripe_invoice_id text UNIQUE,
  stripe_items text[] NOT NULL DEFAULT '{}',
  hosted_invoice_url text,
  created_at timestamptz NOT NULL,
  FOREIGN KEY (environment_id, period_id) REFERENCES periods (environment_id, id),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id)
);
CREATE UNIQUE INDEX invoices_once ON invoices (period_id, customer_id) NULLS NOT DISTINCT;
CREATE INDEX ON invoices (environment_id, id);

-- The result of a request with an Idempotency-Key. It may hold a secret that is shown only once,
-- so it is sealed with a key that only the caller's own bearer credential yields.
CREATE TABLE idempotency_keys (
  principal_id uuid NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL,
  sealed_result bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (principal_id, key)
);
`;
