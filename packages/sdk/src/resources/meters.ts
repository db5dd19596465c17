import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";

/** Something that is counted and billed. */
export type Meter = ResponseOf<typeof routes.meters.get>;

/** A price of a meter, for everybody or for one customer, with the moment from which it applies. */
export type MeterPrice = ResponseOf<typeof routes.meters.setPrice>;

/** Parameters of {@link Meters.create}. */
export type MeterCreateParams = BodyOf<typeof routes.meters.create>;

/** Parameters of {@link Meters.update}; a property left out stays as it is. */
export type MeterUpdateParams = BodyOf<typeof routes.meters.update>;

/** Parameters of {@link Meters.setPrice}. */
export type MeterSetPriceParams = BodyOf<typeof routes.meters.setPrice>;

/** Filters, page size and cursor of {@link Meters.list}. */
export type MeterListParams = QueryOf<typeof routes.meters.list>;

/** Filter, page size and cursor of {@link Meters.listPrices}. */
export type MeterListPricesParams = QueryOf<typeof routes.meters.listPrices>;

/** The meters: what is counted, and what it costs. */
export class Meters {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Creates a meter. Its name is for good: events refer to it. Without a price usage is counted and not charged.
   *
   * @throws ConflictError where there is a meter of this name
   * @throws ValidationError where a member is not legal
   * @example
   * ```ts
   * const meter = await client.meters.create({
   *   name: "pages",
   *   displayName: "Pages read",
   *   unit: "page",
   *   price: { model: "per_unit", unitPrice: "0.0025" },
   * });
   * ```
   */
  create(params: MeterCreateParams, options?: RequestOptions): APIPromise<Meter> {
    return this.#api.call(routes.meters.create, { body: params }, options);
  }

  /**
   * Lists meters, newest first; with a `customerId`, with the prices that this customer pays.
   *
   * @example
   * ```ts
   * const [meter] = (await client.meters.list({ name: "api_calls" })).data;
   * ```
   */
  list(params: MeterListParams = {}, options?: RequestOptions): PagePromise<Meter> {
    return this.#api.list(routes.meters.list, { query: params }, options);
  }

  /**
   * Reads a meter with the price in effect.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const { price } = await client.meters.get("mtr_1");
   * ```
   */
  get(meterId: string, options?: RequestOptions): APIPromise<Meter> {
    return this.#api.call(routes.meters.get, { params: { meterId } }, options);
  }

  /**
   * Changes what a meter is called on invoices, or the most that an agent may use of it in one call
   * (`maxQuantityPerCall`, 1,000,000 by default).
   *
   * @throws NotFoundError where there is none of this id
   * @throws ValidationError where a member is not legal
   * @example
   * ```ts
   * await client.meters.update("mtr_1", { displayName: "Pages read", maxQuantityPerCall: 500 });
   * ```
   */
  update(meterId: string, params: MeterUpdateParams, options?: RequestOptions): APIPromise<Meter> {
    return this.#api.call(routes.meters.update, { params: { meterId }, body: params }, options);
  }

  /**
   * Sets a meter's price. A whole period has one price, the one in effect when it starts, so a change applies
   * from the next period on; to correct the running one, give its `startsAt` as `effectiveFrom`.
   *
   * With a `customerId` it is that customer's own price, which goes before the account's for the usage of its agents.
   * With `price: null` the customer pays the account's price again.
   *
   * A price may have units free of charge: `includedQuantity` in each period on each invoice, or `allowance`, so many a day or a
   * period for each customer and each agent without one.
   *
   * @throws NotFoundError where there is no such meter or customer
   * @throws ValidationError where the price is not legal
   * @example
   * ```ts
   * await client.meters.setPrice("mtr_1", {
   *   price: {
   *     model: "graduated",
   *     tiers: [
   *       { upTo: 1_000, unitPrice: "0.01" },
   *       { upTo: null, unitPrice: "0.005" },
   *     ],
   *     includedQuantity: 100,
   *   },
   * });
   * ```
   */
  setPrice(meterId: string, params: MeterSetPriceParams, options?: RequestOptions): APIPromise<MeterPrice> {
    return this.#api.call(routes.meters.setPrice, { params: { meterId }, body: params }, options);
  }

  /**
   * Lists a meter's prices, newest first: the account's and customers' own, or those of `customerId`.
   *
   * @throws NotFoundError where there is no such meter
   * @example
   * ```ts
   * for await (const { price, effectiveFrom } of client.meters.listPrices("mtr_1")) show(effectiveFrom, price);
   * ```
   */
  listPrices(
    meterId: string,
    params: MeterListPricesParams = {},
    options?: RequestOptions,
  ): PagePromise<MeterPrice> {
    return this.#api.list(routes.meters.listPrices, { params: { meterId }, query: params }, options);
  }
}
