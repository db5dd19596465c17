import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";
import { type AgentToken, withAgentToken } from "../secret.ts";

/** An agent's credential, without its secret. */
export type Credential = ResponseOf<typeof routes.credentials.revoke>;

/** Page size and cursor of {@link Credentials.list}. */
export type CredentialListParams = QueryOf<typeof routes.credentials.list>;

/** Parameters of {@link Credentials.rotate}. */
export type CredentialRotateParams = BodyOf<typeof routes.credentials.rotate>;

/** The result of {@link Credentials.rotate}. */
export type RotatedCredential = Omit<ResponseOf<typeof routes.credentials.rotate>, "token"> & {
  /** The new token, shown this one time. */
  readonly token: AgentToken;
};

/** The tokens that agents have, without their secrets. `mcp.authorize` makes one. */
export class Credentials {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Lists an agent's credentials, newest first.
   *
   * @throws NotFoundError where there is no such agent
   * @example
   * ```ts
   * for await (const credential of client.credentials.list("agt_1")) show(credential.hint, credential.status);
   * ```
   */
  list(
    agentId: string,
    params: CredentialListParams = {},
    options?: RequestOptions,
  ): PagePromise<Credential> {
    return this.#api.list(routes.credentials.list, { params: { agentId }, query: params }, options);
  }

  /**
   * Refuses a token from now on. Doing it again changes nothing.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.credentials.revoke("crd_1");
   * ```
   */
  revoke(credentialId: string, options?: RequestOptions): APIPromise<Credential> {
    return this.#api.call(routes.credentials.revoke, { params: { credentialId } }, options);
  }

  /**
   * Issues a new token with the same scopes; the old one works on for `overlap` seconds (0 by default).
   *
   * @throws NotFoundError where there is none of this id
   * @throws ConflictError where the credential is revoked
   * @example
   * ```ts
   * const { token } = await client.credentials.rotate("crd_1", { overlap: 300 });
   * ```
   */
  rotate(
    credentialId: string,
    params: CredentialRotateParams = {},
    options?: RequestOptions,
  ): APIPromise<RotatedCredential> {
    const input = { params: { credentialId }, body: params };
    return this.#api.callAs(routes.credentials.rotate, input, options, withAgentToken);
  }
}
