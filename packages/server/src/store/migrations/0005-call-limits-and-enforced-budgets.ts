/**
 * Adds a meter's limit for one call, and budgets that apply whatever the caller says. Both have a default, so
 * that the previous version keeps working on this schema.
 */
export const callLimitsAndEnforcedBudgets = `
ALTER TABLE meters ADD COLUMN max_quantity_per_call int NOT NULL DEFAULT 1000000
  CHECK (max_quantity_per_call BETWEEN 1 AND 1000000000);
ALTER TABLE budgets ADD COLUMN enforced boolean NOT NULL DEFAULT false;
`;
