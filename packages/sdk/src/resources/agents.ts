import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";

/** One caller of your tools. */
export type Agent = ResponseOf<typeof routes.agents.get>;

/** Parameters of {@link Agents.create}. */
export type AgentCreateParams = BodyOf<typeof routes.agents.create>;

/** Parameters of {@link Agents.update}; a property left out stays as it is. */
export type AgentUpdateParams = BodyOf<typeof routes.agents.update>;

/** Filters, page size and cursor of {@link Agents.list}. */
export type AgentListParams = QueryOf<typeof routes.agents.list>;

/** The callers of your tools. */
export class Agents {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Creates an agent.
   *
   * @throws ValidationError where a member is not legal
   * @throws NotFoundError where `customerId` names no customer
   * @example
   * ```ts
   * const agent = await client.agents.create({ name: "research-bot", metadata: { team: "search" } });
   * ```
   */
  create(params: AgentCreateParams, options?: RequestOptions): APIPromise<Agent> {
    return this.#api.call(routes.agents.create, { body: params }, options);
  }

  /**
   * Lists agents, newest first.
   *
   * @example
   * ```ts
   * for await (const agent of client.agents.list({ status: "active" })) show(agent.name);
   * ```
   */
  list(params: AgentListParams = {}, options?: RequestOptions): PagePromise<Agent> {
    return this.#api.list(routes.agents.list, { query: params }, options);
  }

  /**
   * Reads an agent.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const agent = await client.agents.get("agt_1");
   * ```
   */
  get(agentId: string, options?: RequestOptions): APIPromise<Agent> {
    return this.#api.call(routes.agents.get, { params: { agentId } }, options);
  }

  /**
   * Changes an agent. Suspending it refuses its tokens at once.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.agents.update("agt_1", { status: "suspended" });
   * ```
   */
  update(agentId: string, params: AgentUpdateParams, options?: RequestOptions): APIPromise<Agent> {
    return this.#api.call(routes.agents.update, { params: { agentId }, body: params }, options);
  }

  /**
   * Deletes an agent and revokes its credentials. Usage that it has recorded stays and is billed.
   *
   * @returns the agent as it was
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.agents.delete("agt_1");
   * ```
   */
  delete(agentId: string, options?: RequestOptions): APIPromise<Agent> {
    return this.#api.call(routes.agents.delete, { params: { agentId } }, options);
  }
}
