/**
 * What one call may use of a meter, and budgets that hold whatever the caller says. Both have a default, so that the
 * version before goes on over this schema.
 */
export const callLimitsAndEnforcedBudgets = `
ALTER TABLE meters ADD COLUMN max_quantity_per_call int NOT NULL DEFAULT 1000000
  CHECK (max_quantity_per_call BETWEEN 1 AND 1000000000);
ALTER TABLE budgets ADD COLUMN enforced boolean NOT NULL DEFAULT false;
`;
