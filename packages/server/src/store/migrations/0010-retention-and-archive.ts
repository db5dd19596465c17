/**
 * Adds what removal by age needs: range indexes, for rows that arrive in the order of their time; the event
 * that a reservation was committed as, which is known even when its key is gone; and, for events that were
 * exported and removed, their file and their sums, so that the books can still be proved.
 */
export const retentionAndArchive = `
ALTER TABLE reservations ADD COLUMN event_id uuid;
CREATE INDEX reservations_credential ON reservations (credential_id);
CREATE INDEX reservations_age ON reservations USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX idempotency_keys_age ON idempotency_keys USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX audit_events_age ON audit_events USING brin (created_at) WITH (autosummarize = on);

-- A month in UTC, as the partitions are. Its events are removed once the file is written.
CREATE TABLE archived_months (
  month date PRIMARY KEY,
  file text NOT NULL,
  sha256 text NOT NULL,
  event_count bigint NOT NULL,
  exported_at timestamptz NOT NULL,
  removed_at timestamptz
);

-- What the events that were removed sum up to, as usage_totals has it.
CREATE TABLE archived_totals (
  month date NOT NULL,
  environment_id uuid NOT NULL,
  period_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  customer_id uuid,
  meter_id uuid NOT NULL,
  day date NOT NULL,
  quantity numeric NOT NULL,
  event_count bigint NOT NULL
);
CREATE UNIQUE INDEX archived_totals_key ON archived_totals (period_id, agent_id, meter_id, day, customer_id, month)
  NULLS NOT DISTINCT;
`;
