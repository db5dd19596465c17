/**
 * Adds the day of a refund: that of the event, where both are of one period. What is free of charge by days is counted
 * without what was refunded. An adjustment of any other kind belongs to no day.
 */
export const allowances = `
ALTER TABLE adjustments ADD COLUMN day date;
`;
