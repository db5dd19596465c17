/** Adds what Stripe has of an invoice that was changed there before somebody finalized it by hand: its status and its subtotal. */
export const invoiceMismatch = `
ALTER TABLE invoices ADD COLUMN mismatch_status text;
ALTER TABLE invoices ADD COLUMN mismatch_subtotal text;
`;
