import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";

/** A limit on what one agent, or a customer's agents together, may use or spend, and how much of it is used. */
export type Budget = ResponseOf<typeof routes.budgets.get>;

/** Parameters of {@link Budgets.create}. */
export type BudgetCreateParams = BodyOf<typeof routes.budgets.create>;

/** Parameters of {@link Budgets.update}; a property left out stays as it is. */
export type BudgetUpdateParams = BodyOf<typeof routes.budgets.update>;

/** Filters, page size and cursor of {@link Budgets.list}. */
export type BudgetListParams = QueryOf<typeof routes.budgets.list>;

/**
 * Limits on what agents, or all agents of a customer together, may use or spend. They refuse a call where they are marked as `enforced`, or where it is verified with
 * `enforceBudget`; else they warn.
 */
export class Budgets {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Limits what an agent may use of a meter per `window`: `day`, `period` (the default) or `total`. With `customerId` in
   * the place of `agentId` all agents of the customer use it together. With `amount` in the place of `limit` it is in money,
   * for one meter or, without `meterName`, for all. With `enforced: true` the server refuses what does not fit, whatever
   * the caller asks for.
   *
   * @throws ConflictError where there is one for this agent or customer, meter and window
   * @throws NotFoundError where there is no such agent, customer or meter
   * @throws ValidationError with both `agentId` and `customerId`, or neither, or so of `limit` and `amount`
   * @example
   * ```ts
   * await client.budgets.create({ agentId: "agt_1", meterName: "api_calls", limit: 10_000, enforced: true });
   * await client.budgets.create({ customerId: "cus_1", meterName: "api_calls", limit: 50_000, window: "day" });
   * await client.budgets.create({ customerId: "cus_1", amount: "250.00", enforced: true });
   * ```
   */
  create(params: BudgetCreateParams, options?: RequestOptions): APIPromise<Budget> {
    return this.#api.call(routes.budgets.create, { body: params }, options);
  }

  /**
   * Lists budgets, newest first, with what is used of each.
   *
   * @example
   * ```ts
   * for await (const budget of client.budgets.list({ agentId: "agt_1" })) show(budget.meterName, budget.remaining);
   * ```
   */
  list(params: BudgetListParams = {}, options?: RequestOptions): PagePromise<Budget> {
    return this.#api.list(routes.budgets.list, { query: params }, options);
  }

  /**
   * Reads a budget with what is used of it.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const { used, remaining, status } = await client.budgets.get("bud_1");
   * ```
   */
  get(budgetId: string, options?: RequestOptions): APIPromise<Budget> {
    return this.#api.call(routes.budgets.get, { params: { budgetId } }, options);
  }

  /**
   * Changes a budget's limit or amount, the share of it at which it warns, or whether it is enforced.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.budgets.update("bud_1", { limit: 20_000 });
   * ```
   */
  update(budgetId: string, params: BudgetUpdateParams, options?: RequestOptions): APIPromise<Budget> {
    return this.#api.call(routes.budgets.update, { params: { budgetId }, body: params }, options);
  }

  /**
   * Removes a budget.
   *
   * @returns the budget as it was
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.budgets.delete("bud_1");
   * ```
   */
  delete(budgetId: string, options?: RequestOptions): APIPromise<Budget> {
    return this.#api.call(routes.budgets.delete, { params: { budgetId } }, options);
  }
}
