/**
 * A condition: whether any budget applies to an agent's usage.
 *
 * @param agentId SQL of the agent's id, `customerId` of that of its customer.
 * @param further a condition on the budget `b`.
 */
export const hasBudget = (agentId: string, customerId: string, further = "true") => `(
  EXISTS (SELECT 1 FROM budgets b WHERE b.agent_id = ${agentId} AND ${further})
  OR EXISTS (SELECT 1 FROM customer_budgets b WHERE b.customer_id = ${customerId} AND ${further})
  OR EXISTS (SELECT 1 FROM money_budgets b WHERE b.agent_id = ${agentId} AND ${further})
  OR EXISTS (SELECT 1 FROM money_budgets b WHERE b.customer_id = ${customerId} AND ${further})
)`;
