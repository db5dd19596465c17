/** The columns that all budgets have in common. */
const COLUMNS = `meter_id, budget_window, warn_at_percent, enforced, warned_window, exceeded_window, created_at, updated_at`;

/**
 * Budgets of agents and customers, in units and in money, as a subquery: of `agent_id` and `customer_id` one is null, and
 * so is one of `quantity_limit` and `amount_limit`.
 */
export const ALL_BUDGETS = `(
  SELECT id, environment_id, agent_id, NULL::uuid AS customer_id, quantity_limit, NULL::numeric AS amount_limit, ${COLUMNS}
  FROM budgets
  UNION ALL
  SELECT id, environment_id, NULL::uuid, customer_id, quantity_limit, NULL::numeric, ${COLUMNS} FROM customer_budgets
  UNION ALL
  SELECT id, environment_id, agent_id, customer_id, NULL::bigint, amount_limit, ${COLUMNS} FROM money_budgets
)`;

/**
 * A change of the budgets of each table as one statement, which returns their ids.
 *
 * @param ofAgents changes or removes rows of `budgets`; RETURNING is put behind it.
 * @param ofCustomers does the same to `customer_budgets`.
 * @param inMoney does the same to `money_budgets`.
 */
export const changeBudgets = (ofAgents: string, ofCustomers: string, inMoney: string) => `
WITH of_agents AS (${ofAgents} RETURNING id), of_customers AS (${ofCustomers} RETURNING id),
  in_money AS (${inMoney} RETURNING id)
SELECT id FROM of_agents UNION ALL SELECT id FROM of_customers UNION ALL SELECT id FROM in_money`;

/**
 * Usage with its meters, to select from: `ord` is its place, from 1.
 *
 * @param first the number of the first of three parameters: the usage's environments, agents and meters' names.
 */
const targets = (first: number) =>
  `unnest($${first}::uuid[], $${first + 1}::uuid[], $${first + 2}::text[])
    WITH ORDINALITY AS t (environment_id, agent_id, meter_name, ord)
   JOIN meters m ON m.environment_id = t.environment_id AND m.name = t.meter_name`;

const JOIN_AGENTS = "JOIN agents a ON a.environment_id = t.environment_id AND a.id = t.agent_id";

/** Selects the `id` of each agent's own budget in units that applies to usage, and the `ord` of that. */
export const ownBudgetsOf = (first: number) => `
SELECT b.id, t.ord FROM ${targets(first)}
JOIN budgets b ON b.environment_id = t.environment_id AND b.agent_id = t.agent_id AND b.meter_id = m.id`;

/** Selects the same of the customers whom the agents belong to. */
export const customerBudgetsOf = (first: number) => `
SELECT b.id, t.ord FROM ${targets(first)} ${JOIN_AGENTS}
JOIN customer_budgets b
  ON b.environment_id = t.environment_id AND b.customer_id = a.customer_id AND b.meter_id = m.id`;

/** Selects the same of the agents' and their customers' budgets in money. */
export const moneyBudgetsOf = (first: number) => `
SELECT b.id, t.ord FROM ${targets(first)}
JOIN money_budgets b ON b.environment_id = t.environment_id AND b.agent_id = t.agent_id
WHERE b.meter_id IS NULL OR b.meter_id = m.id
UNION ALL
SELECT b.id, t.ord FROM ${targets(first)} ${JOIN_AGENTS}
JOIN money_budgets b ON b.environment_id = t.environment_id AND b.customer_id = a.customer_id
WHERE b.meter_id IS NULL OR b.meter_id = m.id`;
