/**
 * Adds invoices that are issued here: their numbers, which have no gap (the row of the last one is locked until the invoice
 * that takes the next is stored), what they say of seller and buyer as they stood then, and their payment.
 */
export const issuedInvoices = `
ALTER TABLE invoices
  ADD COLUMN number text,
  ADD COLUMN issued_at timestamptz,
  ADD COLUMN due_at timestamptz,
  ADD COLUMN seller jsonb,
  ADD COLUMN buyer jsonb,
  ADD COLUMN paid_at timestamptz,
  ADD COLUMN payment_reference text;

CREATE TABLE invoice_numbers (
  environment_id uuid PRIMARY KEY REFERENCES environments (id),
  last int NOT NULL CHECK (last > 0)
);

ALTER TABLE environments ADD COLUMN payment_instructions text;
`;
