/** The columns that agents' and customers' budgets have in common. */
const COLUMNS = `meter_id, budget_window, quantity_limit, warn_at_percent, enforced, warned_window, exceeded_window,
  created_at, updated_at`;

/** Agents' and customers' budgets, as a subquery: of `agent_id` and `customer_id` one is null. */
export const ALL_BUDGETS = `(
  SELECT id, environment_id, agent_id, NULL::uuid AS customer_id, ${COLUMNS} FROM budgets
  UNION ALL
  SELECT id, environment_id, NULL::uuid, customer_id, ${COLUMNS} FROM customer_budgets
)`;

/**
 * A change of the budgets of either table as one statement, which returns their ids.
 *
 * @param ofAgents changes or removes rows of `budgets`; RETURNING is put behind it.
 * @param ofCustomers does the same to `customer_budgets`.
 */
export const changeBudgets = (ofAgents: string, ofCustomers: string) => `
WITH of_agents AS (${ofAgents} RETURNING id), of_customers AS (${ofCustomers} RETURNING id)
SELECT id FROM of_agents UNION ALL SELECT id FROM of_customers`;

/**
 * Usage with its meters, to select from: `ord` is its place, from 1.
 *
 * @param first the number of the first of three parameters: the usage's environments, agents and meters' names.
 */
const targets = (first: number) =>
  `unnest($${first}::uuid[], $${first + 1}::uuid[], $${first + 2}::text[])
    WITH ORDINALITY AS t (environment_id, agent_id, meter_name, ord)
   JOIN meters m ON m.environment_id = t.environment_id AND m.name = t.meter_name`;

/** Selects the `id` of each agent's own budget that applies to usage, and the `ord` of that. */
export const ownBudgetsOf = (first: number) => `
SELECT b.id, t.ord FROM ${targets(first)}
JOIN budgets b ON b.environment_id = t.environment_id AND b.agent_id = t.agent_id AND b.meter_id = m.id`;

/** Selects the same of the customers whom the agents belong to. */
export const customerBudgetsOf = (first: number) => `
SELECT b.id, t.ord FROM ${targets(first)}
JOIN agents a ON a.environment_id = t.environment_id AND a.id = t.agent_id
JOIN customer_budgets b
  ON b.environment_id = t.environment_id AND b.customer_id = a.customer_id AND b.meter_id = m.id`;
