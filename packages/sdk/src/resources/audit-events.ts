import { routes } from "@licentric/contract";
import type { Api, QueryOf } from "../api.ts";
import type { ResponseOf } from "../check-response.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";

/** A change to the account's resources, and who made it. */
export type AuditEvent = ResponseOf<typeof routes.auditEvents.list>;

/** Filters, page size and cursor of {@link AuditEvents.list}. */
export type AuditEventListParams = QueryOf<typeof routes.auditEvents.list>;

/** The audit log: who changed what. */
export class AuditEvents {
  readonly #api: Api;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Lists the changes to the account's resources, newest first: who made which, and when.
   *
   * @example
   * ```ts
   * for await (const event of client.auditEvents.list({ limit: 100 })) show(event);
   * ```
   */
  list(params: AuditEventListParams = {}, options?: RequestOptions): PagePromise<AuditEvent> {
    return this.#api.list(routes.auditEvents.list, { query: params }, options);
  }
}
