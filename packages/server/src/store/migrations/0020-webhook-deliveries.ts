/** Adds the order in which a webhook's deliveries are listed. */
export const webhookDeliveries = `
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, event_id DESC);
`;
