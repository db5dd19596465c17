/**
 * An agent's idempotency keys are the agent's, whichever of its credentials a request comes with: `agent_id` says whose
 * a key is, and `result` is what any of them is given again. Both are null for a management key, whose result may hold
 * a secret, and for what servers of the version before write: those know `principal_id` and `sealed_result` alone.
 */
export const agentsIdempotencyKeys = `
ALTER TABLE idempotency_keys
  ADD COLUMN agent_id uuid,
  ADD COLUMN result text;
CREATE INDEX idempotency_keys_agent ON idempotency_keys (agent_id, key) WHERE agent_id IS NOT NULL;
`;
