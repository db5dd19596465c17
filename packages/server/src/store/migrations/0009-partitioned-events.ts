/**
 * Events in partitions by month, and their idempotency keys in a table of their own.
 *
 * `metered_events` is partitioned by the id, which begins with the time of recording: so one id is looked for in one
 * partition, and each list that is read newest first has an index in each of them. The table
 * `usage_events` of the versions before becomes the partition of the past (`event-partitions.ts`): nothing is copied,
 * and servers of the version before go on with it under its name.
 *
 * PostgreSQL wants the partition's column in each unique key, so what makes an idempotency key one event's is a table
 * without partitions. An agent belongs to one environment for good, so its id stands for both. Keys are kept as the
 * first half of their SHA-256, and removed by age: ids grow with time, so a small index of ranges finds the old ones.
 */
export const partitionedEvents = `
CREATE TABLE metered_events (
  id uuid NOT NULL,
  environment_id uuid NOT NULL,
  period_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  customer_id uuid,
  meter_id uuid NOT NULL,
  quantity bigint NOT NULL CONSTRAINT usage_events_quantity_check CHECK (quantity > 0),
  idempotency_key text,
  occurred_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  metadata jsonb
) PARTITION BY RANGE (id);
CREATE INDEX metered_events_list ON metered_events (environment_id, id);

-- Takes what no other partition does, so that no event is refused for want of one.
CREATE TABLE metered_events_other PARTITION OF metered_events DEFAULT;

CREATE TABLE usage_event_keys (
  agent_id uuid NOT NULL,
  key_hash uuid NOT NULL,
  event_id uuid NOT NULL
);
CREATE UNIQUE INDEX usage_event_keys_key ON usage_event_keys (agent_id, key_hash);
CREATE INDEX usage_event_keys_age ON usage_event_keys USING brin (event_id)
  WITH (pages_per_range = 32, autosummarize = on);
`;
