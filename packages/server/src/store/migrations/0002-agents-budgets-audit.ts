/** Budgets, reservations and the audit log. */
export const agentsBudgetsAudit = `
CREATE TABLE audit_events (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments,
  key_id uuid NOT NULL REFERENCES management_keys,
  operation text NOT NULL,
  resource_ids text[] NOT NULL,
  request_id text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX ON audit_events (environment_id, id);

-- warned_window and exceeded_window name the window in which the threshold's event was raised last, so that it is
-- raised once in each.
CREATE TABLE budgets (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  meter_id uuid NOT NULL,
  budget_window text NOT NULL CHECK (budget_window IN ('day', 'period', 'total')),
  quantity_limit bigint NOT NULL CHECK (quantity_limit BETWEEN 0 AND 9007199254740991),
  warn_at_percent int NOT NULL CHECK (warn_at_percent BETWEEN 1 AND 100),
  warned_window text,
  exceeded_window text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (agent_id, meter_id, budget_window),
  FOREIGN KEY (environment_id, agent_id) REFERENCES agents (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE INDEX ON budgets (environment_id, id);

-- A hold lapses by its time alone: one that is past expires_at counts no longer, with no job that has to say so.
CREATE TABLE reservations (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  credential_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  meter_id uuid NOT NULL,
  quantity bigint NOT NULL CHECK (quantity > 0),
  status text NOT NULL CHECK (status IN ('held', 'committed', 'released')),
  committed_quantity bigint CHECK ((committed_quantity IS NULL) = (status <> 'committed')),
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  FOREIGN KEY (environment_id, credential_id) REFERENCES credentials (environment_id, id),
  FOREIGN KEY (environment_id, agent_id) REFERENCES agents (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE INDEX reservations_held ON reservations (agent_id, meter_id, expires_at) WHERE status = 'held';
`;
