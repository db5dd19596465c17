import { routes } from "@licentric/contract";
import type { Api, BodyOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import { Secret } from "../secret.ts";

/** The result of {@link Console.createCode}. */
export type ConsoleCode = Omit<ResponseOf<typeof routes.console.createCode>, "code"> & {
  /** The code itself, shown this one time. */
  readonly code: Secret;
};

/** Parameters of {@link Console.createCode}. */
export type ConsoleCodeCreateParams = BodyOf<typeof routes.console.createCode>;

/** The owner's console: its sign-in. */
export class Console {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Makes a one-time code, which opens `/console#code=…` of the same server within a minute. The page exchanges it for a
   * management key of its own, with the scopes of the `role` (`full` by default), which ends after `expiresIn` seconds
   * (12 hours by default) and is listed and revoked like any other.
   *
   * @throws PermissionDeniedError where the role has more than the client's own key
   * @example
   * ```ts
   * const { code } = await client.console.createCode({ role: "read", expiresIn: 3_600 });
   * show(`http://127.0.0.1:4242/console#code=${code.reveal()}`);
   * ```
   */
  createCode(params: ConsoleCodeCreateParams = {}, options?: RequestOptions): APIPromise<ConsoleCode> {
    return this.#api.callAs(routes.console.createCode, { body: params }, options, (created) => ({
      ...created,
      code: new Secret(created.code),
    }));
  }
}
