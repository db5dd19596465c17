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
}
