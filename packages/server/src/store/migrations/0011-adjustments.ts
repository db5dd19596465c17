/**
 * Adds corrections of usage. No event and no total is changed by one: what is billed is usage, adjustments and what was
 * carried over from the period before, together. An adjustment that names an event refunds it, at most once.
 *
 * Where adjustments take away more than was used, the rest is written down when the period is closed, and counts in the
 * next one: so what was closed never changes.
 */
export const adjustments = `
CREATE TABLE adjustments (
  id uuid NOT NULL,
  environment_id uuid NOT NULL,
  period_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  customer_id uuid,
  meter_id uuid NOT NULL,
  quantity bigint NOT NULL CHECK (quantity <> 0),
  reason text NOT NULL,
  event_id uuid,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (agent_id, id),
  FOREIGN KEY (environment_id, period_id) REFERENCES periods (environment_id, id),
  FOREIGN KEY (environment_id, agent_id) REFERENCES agents (environment_id, id),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE UNIQUE INDEX adjustments_event ON adjustments (agent_id, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX adjustments_list ON adjustments (environment_id, id);
CREATE INDEX adjustments_period ON adjustments (period_id);

CREATE TABLE carried_adjustments (
  environment_id uuid NOT NULL,
  from_period_id uuid NOT NULL,
  period_id uuid NOT NULL,
  customer_id uuid,
  meter_id uuid NOT NULL,
  quantity numeric NOT NULL CHECK (quantity < 0),
  FOREIGN KEY (environment_id, from_period_id) REFERENCES periods (environment_id, id),
  FOREIGN KEY (environment_id, period_id) REFERENCES periods (environment_id, id),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE UNIQUE INDEX carried_adjustments_once ON carried_adjustments (from_period_id, meter_id, customer_id)
  NULLS NOT DISTINCT;
CREATE INDEX carried_adjustments_period ON carried_adjustments (period_id);
`;
