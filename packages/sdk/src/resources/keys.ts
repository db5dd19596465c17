import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";
import { Secret } from "../secret.ts";

/** A management key, without its secret. */
export type ManagementKey = ResponseOf<typeof routes.keys.revoke>;

/** The result of {@link Keys.create}. */
export type CreatedManagementKey = Omit<ResponseOf<typeof routes.keys.create>, "key"> & {
  /** The key itself, shown this one time. */
  readonly key: Secret;
};

/** Parameters of {@link Keys.create}. */
export type KeyCreateParams = BodyOf<typeof routes.keys.create>;

/** Page size and cursor of {@link Keys.list}. */
export type KeyListParams = QueryOf<typeof routes.keys.list>;

/** Management keys. */
export class Keys {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Creates a management key of the same mode (test or live) as the client's own, with no scope that that one
   * lacks. It is in this answer and never again.
   *
   * @throws PermissionDeniedError where `scopes` asks for more than the client's own key has
   * @example
   * ```ts
   * const created = await client.keys.create({ name: "reporting", scopes: ["usage:read", "billing:read"] });
   * await vault.put("LICENTRIC_API_KEY", created.key.reveal());
   * ```
   */
  create(params: KeyCreateParams = {}, options?: RequestOptions): APIPromise<CreatedManagementKey> {
    return this.#api.callAs(routes.keys.create, { body: params }, options, (created) => ({
      ...created,
      key: new Secret(created.key),
    }));
  }

  /**
   * Lists management keys, newest first, without their secrets.
   *
   * @example
   * ```ts
   * for await (const key of client.keys.list()) show(key.name, key.hint, key.lastUsedAt);
   * ```
   */
  list(params: KeyListParams = {}, options?: RequestOptions): PagePromise<ManagementKey> {
    return this.#api.list(routes.keys.list, { query: params }, options);
  }

  /**
   * Refuses a management key from now on. Doing it again changes nothing.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.keys.revoke("key_1");
   * ```
   */
  revoke(keyId: string, options?: RequestOptions): APIPromise<ManagementKey> {
    return this.#api.call(routes.keys.revoke, { params: { keyId } }, options);
  }
}
