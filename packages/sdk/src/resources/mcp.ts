import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";
import { type AgentToken, withAgentToken } from "../secret.ts";

/** Parameters of {@link Mcp.authorize} besides the agent's id. */
export type AuthorizeParams = Omit<BodyOf<typeof routes.mcp.authorize>, "agentId">;

/** The result of {@link Mcp.authorize}. The hosted service promises `token` alone. */
export type Authorization = Omit<ResponseOf<typeof routes.mcp.authorize>, "token"> & {
  /** The agent's token, shown this one time. */
  readonly token: AgentToken;
};

/** Parameters of {@link Mcp.verify} besides the token. */
export type VerifyParams = BodyOf<typeof routes.mcp.verify>;

/** The result of {@link Mcp.verify}; `expiresAt`, `event` and `budget` come from our server only. */
export type Verification = ResponseOf<typeof routes.mcp.verify>;

/** Parameters of {@link Mcp.reserve} besides the token. */
export type ReserveParams = BodyOf<typeof routes.mcp.reserve>;

/** The result of {@link Mcp.reserve}. */
export type ReservationGrant = ResponseOf<typeof routes.mcp.reserve>;

/** Parameters of {@link Mcp.commit} besides the reservation. */
export type CommitParams = BodyOf<typeof routes.mcp.commit>;

/** The result of {@link Mcp.commit} and {@link Mcp.release}. */
export type ReservationOutcome = ResponseOf<typeof routes.mcp.commit>;

/** The result of {@link Mcp.me}. */
export type AgentSelf = ResponseOf<typeof routes.mcp.me>;

/** Filter, page size and cursor of {@link Mcp.listPrices}. */
export type AgentPriceListParams = QueryOf<typeof routes.mcp.listPrices>;

/** The price of one meter, as an agent is told of it. */
export type AgentPrice = ResponseOf<typeof routes.mcp.listPrices>;

/** Agents' tokens: issue them, verify them, meter what they are used for. */
export class Mcp {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Issues a token for an agent. It is in this answer and never again.
   *
   * @param agentId - the agent that the token speaks for
   * @param params - the token's scopes, and `expiresIn` seconds for which it lives (3600 by default)
   * @throws NotFoundError where there is no such agent
   * @throws ConflictError where the agent is suspended
   * @example
   * ```ts
   * const { token } = await client.mcp.authorize("agt_1", { scopes: ["mcp:invoke"], expiresIn: 900 });
   * send(token.reveal()); // everywhere else it prints as AGT-…o9p0
   * ```
   */
  authorize(agentId: string, params: AuthorizeParams, options?: RequestOptions): APIPromise<Authorization> {
    return this.#api.callAs(routes.mcp.authorize, { body: { agentId, ...params } }, options, withAgentToken);
  }

  /**
   * Verifies an agent's token and, with a `meterName`, records `quantity` (1 by default) on that meter. Needs no
   * management key.
   *
   * A budget over its limit does not stop the recording, unless it is `enforced` or `enforceBudget` asks for it.
   *
   * @throws AuthenticationError where the token is malformed, unknown, expired or revoked
   * @throws PermissionDeniedError where it lacks one of `requiredScopes`; nothing is recorded
   * @throws BudgetExceededError where the budget is used up and `enforced`, or `enforceBudget` asks for it; nothing is
   * recorded
   * @throws ValidationError where the quantity is not legal or over the meter's `maxQuantityPerCall`, or there is no
   * such meter; nothing is recorded
   * @example
   * ```ts
   * const { agentId, event } = await client.mcp.verify("AGT-q1w2e3r4t5y6", {
   *   meterName: "api_calls",
   *   quantity: 3,
   *   requiredScopes: ["mcp:invoke"],
   * });
   * ```
   */
  verify(
    token: string | AgentToken,
    params: VerifyParams = {},
    options?: RequestOptions,
  ): APIPromise<Verification> {
    return this.#api.call(routes.mcp.verify, { token, body: params }, options);
  }

  /**
   * Holds usage before an expensive call: the most that it may cost. {@link Mcp.commit} bills what was really
   * used, {@link Mcp.release} nothing; a reservation that is abandoned lapses after `expiresIn` seconds (300).
   *
   * @throws AuthenticationError where the token is malformed, unknown, expired or revoked
   * @throws PermissionDeniedError where it lacks one of `requiredScopes`
   * @throws BudgetExceededError where the budget has less left and is `enforced`, or `enforceBudget` asks for it
   * @throws ValidationError where the quantity is over the meter's `maxQuantityPerCall`, or there is no such meter
   * @example
   * ```ts
   * const { reservation } = await client.mcp.reserve(token, { meterName: "tokens", quantity: 4_000 });
   * try {
   *   const used = await generate();
   *   await client.mcp.commit(token, reservation.id, { quantity: used });
   * } catch (error) {
   *   await client.mcp.release(token, reservation.id);
   *   throw error;
   * }
   * ```
   */
  reserve(
    token: string | AgentToken,
    params: ReserveParams,
    options?: RequestOptions,
  ): APIPromise<ReservationGrant> {
    return this.#api.call(routes.mcp.reserve, { token, body: params }, options);
  }

  /**
   * Records what was really used of a reservation, all of it by default, and frees the rest. The token may have
   * expired since. A reservation that has lapsed is recorded all the same, over the budget if need be: the work was done. Only
   * a budget that is `enforced` refuses it.
   * Committed again with the same quantity, it answers the same event and records nothing.
   *
   * @throws ConflictError where the reservation was released, or committed with another quantity
   * @throws NotFoundError where it was not made with this token
   * @throws ValidationError where `quantity` is more than was held, or over the meter's `maxQuantityPerCall` by now
   * @throws BudgetExceededError where the reservation has lapsed and does not fit into an `enforced` budget any more
   * @example
   * ```ts
   * const { event } = await client.mcp.commit(token, "res_1", { quantity: 1_250 });
   * ```
   */
  commit(
    token: string | AgentToken,
    reservationId: string,
    params: CommitParams = {},
    options?: RequestOptions,
  ): APIPromise<ReservationOutcome> {
    return this.#api.call(routes.mcp.commit, { token, params: { reservationId }, body: params }, options);
  }

  /**
   * Gives a reservation back: nothing is billed. The token may have expired since. Released again, or after it has
   * lapsed, it answers the same.
   *
   * @throws ConflictError where the reservation was committed
   * @throws NotFoundError where it was not made with this token
   * @example
   * ```ts
   * await client.mcp.release(token, "res_1");
   * ```
   */
  release(
    token: string | AgentToken,
    reservationId: string,
    options?: RequestOptions,
  ): APIPromise<ReservationOutcome> {
    return this.#api.call(routes.mcp.release, { token, params: { reservationId } }, options);
  }

  /**
   * Tells an agent who it is, when its credential ends, and what is left of its budgets and of free units, those that it
   * shares with the other agents of its customer among them. Nothing is recorded or charged. It needs no management key: an agent asks with its own token.
   *
   * @throws AuthenticationError where the token is malformed, unknown, expired or revoked
   * @example
   * ```ts
   * const { expiresAt, budgets, allowances } = await client.mcp.me(token);
   * for (const { meterName, remaining } of budgets) show(meterName, remaining, expiresAt);
   * for (const { meterName, remaining, every } of allowances ?? []) show(meterName, remaining, every);
   * ```
   */
  me(token: string | AgentToken, options?: RequestOptions): APIPromise<AgentSelf> {
    return this.#api.call(routes.mcp.me, { token }, options);
  }

  /**
   * Lists the prices of meters, newest meter first: what the period that runs is billed by, and the next price. Nothing
   * is recorded or charged. It needs no management key: an agent asks with its own token.
   *
   * @throws AuthenticationError where the token is malformed, unknown, expired or revoked
   * @example
   * ```ts
   * for await (const { meterName, price, currency } of client.mcp.listPrices(token)) show(meterName, price, currency);
   * ```
   */
  listPrices(
    token: string | AgentToken,
    params: AgentPriceListParams = {},
    options?: RequestOptions,
  ): PagePromise<AgentPrice> {
    return this.#api.list(routes.mcp.listPrices, { token, query: params }, options);
  }
}
