import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";

/** A customer, who pays for one or more agents. */
export type Customer = ResponseOf<typeof routes.customers.get>;

/** Parameters of {@link Customers.create}. */
export type CustomerCreateParams = BodyOf<typeof routes.customers.create>;

/** Parameters of {@link Customers.update}; a property left out stays as it is. */
export type CustomerUpdateParams = BodyOf<typeof routes.customers.update>;

/** Filter, page size and cursor of {@link Customers.list}. */
export type CustomerListParams = QueryOf<typeof routes.customers.list>;

/** A discount of a customer's invoices, with the moment from which it applies. */
export type CustomerDiscount = ResponseOf<typeof routes.customers.setDiscount>;

/** The least that a customer's invoice comes to, with the moment from which it applies. */
export type CustomerMinimum = ResponseOf<typeof routes.customers.setMinimum>;

/** Parameters of {@link Customers.setDiscount}. */
export type CustomerSetDiscountParams = BodyOf<typeof routes.customers.setDiscount>;

/** Page size and cursor of {@link Customers.listDiscounts}. */
export type CustomerListDiscountsParams = QueryOf<typeof routes.customers.listDiscounts>;

/** Parameters of {@link Customers.setMinimum}. */
export type CustomerSetMinimumParams = BodyOf<typeof routes.customers.setMinimum>;

/** Page size and cursor of {@link Customers.listMinimums}. */
export type CustomerListMinimumsParams = QueryOf<typeof routes.customers.listMinimums>;

/** The customers, who pay for the agents. */
export class Customers {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Creates a paying customer. Without `stripeCustomerId` one is made in Stripe with the first invoice. Of one that is
   * in Stripe already, Stripe's e-mail address, address and tax id count.
   *
   * @throws ValidationError where a member is not legal, or the Stripe customer is another payer's
   * @example
   * ```ts
   * const customer = await client.customers.create({ name: "Acme", email: "billing@acme.example" });
   * await client.agents.update("agt_1", { customerId: customer.id });
   * ```
   */
  create(params: CustomerCreateParams, options?: RequestOptions): APIPromise<Customer> {
    return this.#api.call(routes.customers.create, { body: params }, options);
  }

  /**
   * Lists customers, newest first.
   *
   * @example
   * ```ts
   * for await (const customer of client.customers.list()) show(customer.name);
   * ```
   */
  list(params: CustomerListParams = {}, options?: RequestOptions): PagePromise<Customer> {
    return this.#api.list(routes.customers.list, { query: params }, options);
  }

  /**
   * Reads a customer.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const customer = await client.customers.get("cst_1");
   * ```
   */
  get(customerId: string, options?: RequestOptions): APIPromise<Customer> {
    return this.#api.call(routes.customers.get, { params: { customerId } }, options);
  }

  /**
   * Changes a customer. What is changed of a customer who is in Stripe is changed there, too. Another
   * `stripeCustomerId` takes him to another Stripe customer; null has one made anew with the next invoice.
   *
   * @throws NotFoundError where there is none of this id
   * @throws ValidationError where a member is not legal, Stripe refuses it, or the Stripe customer is another payer's
   * @example
   * ```ts
   * await client.customers.update("cst_1", { stripeCustomerId: "cus_Nffrfeufnv" });
   * ```
   */
  update(customerId: string, params: CustomerUpdateParams, options?: RequestOptions): APIPromise<Customer> {
    return this.#api.call(routes.customers.update, { params: { customerId }, body: params }, options);
  }

  /**
   * Agrees on a discount: so many per cent of the sum of an invoice's lines, or an amount of the account's currency,
   * which takes at most all of it; the rest of an amount is not carried over. It is a line of its own, with its
   * `reason`. It counts from the running period on, or for the periods that begin at `effectiveFrom` or later, for
   * `periods` of them or until the next discount takes over. What counts for a period is fixed as it is closed.
   * With `discount: null` the customer has none any more.
   *
   * @throws NotFoundError where there is no such customer
   * @throws ConflictError where it would count for a period that is closed
   * @throws ValidationError where a member is not legal, or the currency cannot pay the amount
   * @example
   * ```ts
   * await client.customers.setDiscount("cst_1", {
   *   discount: { model: "percent", percent: "20" },
   *   reason: "Launch partner",
   *   periods: 3,
   * });
   * ```
   */
  setDiscount(
    customerId: string,
    params: CustomerSetDiscountParams,
    options?: RequestOptions,
  ): APIPromise<CustomerDiscount> {
    return this.#api.call(routes.customers.setDiscount, { params: { customerId }, body: params }, options);
  }

  /**
   * Lists a customer's discounts, newest first, those that are over and those of later, too.
   *
   * @throws NotFoundError where there is no such customer
   * @example
   * ```ts
   * for await (const { discount, billedFrom } of client.customers.listDiscounts("cst_1")) show(billedFrom, discount);
   * ```
   */
  listDiscounts(
    customerId: string,
    params: CustomerListDiscountsParams = {},
    options?: RequestOptions,
  ): PagePromise<CustomerDiscount> {
    return this.#api.list(routes.customers.listDiscounts, { params: { customerId }, query: params }, options);
  }

  /**
   * Agrees on the least that an invoice comes to, in the account's currency. Where the lines less the discount come to
   * less, a line of its own fills them up, in a period without usage as well. It counts from the next period on, or for
   * the periods that begin at `effectiveFrom` or later, for `periods` of them or until the next minimum takes over. What
   * counts for a period is fixed as it is closed. With `minimum: null` the customer has none any more.
   *
   * @throws NotFoundError where there is no such customer
   * @throws ConflictError where it would count for a period that is closed
   * @throws ValidationError where a member is not legal, or the currency cannot pay the amount
   * @example
   * ```ts
   * await client.customers.setMinimum("cst_1", { minimum: "50" });
   * ```
   */
  setMinimum(
    customerId: string,
    params: CustomerSetMinimumParams,
    options?: RequestOptions,
  ): APIPromise<CustomerMinimum> {
    return this.#api.call(routes.customers.setMinimum, { params: { customerId }, body: params }, options);
  }

  /**
   * Lists a customer's minimums, newest first, those that are over and those of later, too.
   *
   * @throws NotFoundError where there is no such customer
   * @example
   * ```ts
   * for await (const { minimum, billedFrom } of client.customers.listMinimums("cst_1")) show(billedFrom, minimum);
   * ```
   */
  listMinimums(
    customerId: string,
    params: CustomerListMinimumsParams = {},
    options?: RequestOptions,
  ): PagePromise<CustomerMinimum> {
    return this.#api.list(routes.customers.listMinimums, { params: { customerId }, query: params }, options);
  }
}
