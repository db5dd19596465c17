/**
 * Adds prices of a customer's own. They are in a table of their own: a server of the version before, which does not know
 * them, must not bill them to everybody. A row without a price gives the customer the account's price again.
 */
export const customerPrices = `
CREATE TABLE customer_prices (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL,
  customer_id uuid NOT NULL,
  meter_id uuid NOT NULL,
  price jsonb,
  effective_from timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  FOREIGN KEY (environment_id, customer_id) REFERENCES customers (environment_id, id),
  FOREIGN KEY (environment_id, meter_id) REFERENCES meters (environment_id, id)
);
CREATE INDEX ON customer_prices (meter_id, customer_id, effective_from, id);
`;
