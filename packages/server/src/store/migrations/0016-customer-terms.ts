/**
 * Adds discounts and minimums of customers. What was agreed is never changed, the next row of its kind takes over; one
 * without terms ends it. As a period is closed, what counts for it is written down beside it, so that nothing that is
 * agreed later changes what was closed, and the periods that a term has counted for are known.
 */
export const customerTerms = `
CREATE TABLE customer_terms (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  customer_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('discount', 'minimum')),
  terms jsonb,
  periods int CHECK (periods > 0),
  reason text,
  effective_from timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id)
);
CREATE INDEX customer_terms_in_force ON customer_terms (environment_id, customer_id, kind, effective_from DESC, id DESC);

CREATE TABLE period_terms (
  environment_id uuid NOT NULL,
  period_id uuid NOT NULL,
  customer_id uuid NOT NULL,
  kind text NOT NULL,
  term_id uuid NOT NULL,
  terms jsonb NOT NULL,
  reason text,
  PRIMARY KEY (period_id, customer_id, kind),
  FOREIGN KEY (environment_id, period_id) REFERENCES periods (environment_id, id),
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id)
);
CREATE INDEX period_terms_term ON period_terms (term_id);

ALTER TABLE invoices ADD COLUMN discount jsonb, ADD COLUMN minimum jsonb;
`;
