import { routes } from "@licentric/contract";
import type { Api, BodyOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";

/** The account in the key's mode: whose tools are used, and who pays for agents that belong to no customer. */
export type Account = ResponseOf<typeof routes.account.get>;

/** Parameters of {@link AccountResource.update}; a property left out stays as it is. */
export type AccountUpdateParams = BodyOf<typeof routes.account.update>;

/** The account itself. */
export class AccountResource {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Reads the account: its name, how it pays, its currency and time zone.
   *
   * @example
   * ```ts
   * const { name, currency, stripeStatus } = await client.account.get();
   * ```
   */
  get(options?: RequestOptions): APIPromise<Account> {
    return this.#api.call(routes.account.get, {}, options);
  }

  /**
   * Changes the account, in the key's mode alone. A new currency or time zone counts from the next period on. What is
   * changed of an account that is in Stripe is changed there, too.
   *
   * @throws ValidationError where a member is not legal, or Stripe refuses it
   * @example
   * ```ts
   * await client.account.update({
   *   email: "billing@acme.example",
   *   address: { line1: "1 Main Street", city: "Berlin", postalCode: "10115", country: "DE" },
   *   taxId: { type: "eu_vat", value: "DE123456789" },
   * });
   * ```
   */
  update(params: AccountUpdateParams, options?: RequestOptions): APIPromise<Account> {
    return this.#api.call(routes.account.update, { body: params }, options);
  }
}
