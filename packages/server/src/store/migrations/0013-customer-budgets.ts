/**
 * Adds budgets of a customer, which all its agents use together. They have a table of their own, as servers of the version
 * before know a budget by its agent. Such a server neither checks them nor tells of them, so they hold from when the last
 * of these is stopped.
 */
export const customerBudgets = `
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
CREATE INDEX usage_totals_customer ON usage_totals (customer_id, meter_id, period_id) WHERE customer_id IS NOT NULL;
CREATE INDEX agents_customer ON agents (customer_id) WHERE customer_id IS NOT NULL;
`;
