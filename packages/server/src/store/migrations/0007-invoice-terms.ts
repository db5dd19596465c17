/** Adds how an invoice is paid, and its memo; null is what it was before there was a choice. */
export const invoiceTerms = `
ALTER TABLE invoices
  ADD COLUMN collection text,
  ADD COLUMN days_until_due int,
  ADD COLUMN automatic_tax boolean,
  ADD COLUMN memo text;
`;
