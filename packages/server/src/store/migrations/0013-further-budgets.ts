/**
 * Adds budgets of a customer, which all its agents use together, and budgets in money. They have tables of their own, as
 * servers of the version before know a budget by its agent and its meter. Such a server neither checks them nor tells of
 * them, so they hold from when the last of these is stopped.
 *
 * An amount has no currency of its own, as prices have none: it is in the one that the running period is billed in.
 */
export const furtherBudgets = `
CREATE TABLE customer_budgets (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  customer_id uuid NOT NULL,
  meter_id uuid NOT NULL,
  budget_window text NOT NULL CHECK (budget_window IN ('day', 'period', 'total')),
  quantity_limit bigint NOT NULL CHECK (quantity_limit BETWEEN 0 AND 9007199254740991),
  warn_at_percent int NOT NULL CHECK (warn_at_percent BETWEEN 1 AND 100),
  enforced boolean NOT NULL,
  warned_window text,
  exceeded_window text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (customer_id, meter_id, budget_window),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE INDEX ON customer_budgets (environment_id, id);

-- Without a meter, it is for all.
CREATE TABLE money_budgets (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  agent_id uuid,
  customer_id uuid,
  meter_id uuid,
  budget_window text NOT NULL CHECK (budget_window IN ('day', 'period', 'total')),
  amount_limit numeric NOT NULL CHECK (amount_limit >= 0),
  warn_at_percent int NOT NULL CHECK (warn_at_percent BETWEEN 1 AND 100),
  enforced boolean NOT NULL,
  warned_window text,
  exceeded_window text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((agent_id IS NULL) <> (customer_id IS NULL)),
  FOREIGN KEY (environment_id, agent_id) REFERENCES agents (environment_id, id),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE UNIQUE INDEX money_budgets_once ON money_budgets (agent_id, customer_id, meter_id, budget_window) NULLS NOT DISTINCT;
CREATE INDEX money_budgets_customer ON money_budgets (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX ON money_budgets (environment_id, id);

CREATE INDEX usage_totals_customer ON usage_totals (customer_id, meter_id, period_id) WHERE customer_id IS NOT NULL;
CREATE INDEX agents_customer ON agents (customer_id) WHERE customer_id IS NOT NULL;
`;
