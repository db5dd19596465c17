import { routes } from "@licentric/contract";
import type { Api, BodyOf, QueryOf } from "../api.ts";
import type { APIPromise } from "../api-promise.ts";
import type { ResponseOf } from "../check-response.ts";
import { constructEvent } from "../construct-event.ts";
import type { RequestOptions } from "../options.ts";
import type { PagePromise } from "../page.ts";
import { Secret } from "../secret.ts";

/** An endpoint that events are sent to. */
export type Webhook = ResponseOf<typeof routes.webhooks.get>;

/** The result of {@link Webhooks.create}. */
export type CreatedWebhook = Omit<ResponseOf<typeof routes.webhooks.create>, "secret"> & {
  /** Signs what is sent, shown this one time. */
  readonly secret: Secret;
};

/** Parameters of {@link Webhooks.create}. */
export type WebhookCreateParams = BodyOf<typeof routes.webhooks.create>;

/** Parameters of {@link Webhooks.update}; a property left out stays as it is. */
export type WebhookUpdateParams = BodyOf<typeof routes.webhooks.update>;

/** Page size and cursor of {@link Webhooks.list}. */
export type WebhookListParams = QueryOf<typeof routes.webhooks.list>;

/** One event, on its way to a webhook. */
export type WebhookDelivery = ResponseOf<typeof routes.webhooks.listDeliveries>;

/** Filter, page size and cursor of {@link Webhooks.listDeliveries}. */
export type WebhookDeliveryListParams = QueryOf<typeof routes.webhooks.listDeliveries>;

/** The endpoints that events are sent to, and the check of what arrives there. */
export class Webhooks {
  readonly #api: Api;

  /**
   * Verifies a webhook request's signature and gives its event; the same as the function {@link constructEvent},
   * which needs no client.
   *
   * @throws WebhookVerificationError where the request is not signed with the secret, or too old
   */
  readonly constructEvent: typeof constructEvent = constructEvent;

  /** Made by the client. @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Sends events to a URL, all of them by default. The signing secret is in this answer and never again.
   *
   * @throws ValidationError where the URL or an event's name is not legal
   * @example
   * ```ts
   * const webhook = await client.webhooks.create({
   *   url: "https://example.com/hooks/licentric",
   *   events: ["budget.exceeded", "invoice.paid"],
   * });
   * await vault.put("LICENTRIC_WEBHOOK_SECRET", webhook.secret.reveal());
   * ```
   */
  create(params: WebhookCreateParams, options?: RequestOptions): APIPromise<CreatedWebhook> {
    return this.#api.callAs(routes.webhooks.create, { body: params }, options, (created) => ({
      ...created,
      secret: new Secret(created.secret),
    }));
  }

  /**
   * Lists webhooks, newest first, without their secrets.
   *
   * @example
   * ```ts
   * for await (const webhook of client.webhooks.list()) show(webhook.url, webhook.enabled);
   * ```
   */
  list(params: WebhookListParams = {}, options?: RequestOptions): PagePromise<Webhook> {
    return this.#api.list(routes.webhooks.list, { query: params }, options);
  }

  /**
   * Reads a webhook.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * const webhook = await client.webhooks.get("whk_1");
   * ```
   */
  get(webhookId: string, options?: RequestOptions): APIPromise<Webhook> {
    return this.#api.call(routes.webhooks.get, { params: { webhookId } }, options);
  }

  /**
   * Changes a webhook.
   *
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.webhooks.update("whk_1", { enabled: false });
   * ```
   */
  update(webhookId: string, params: WebhookUpdateParams, options?: RequestOptions): APIPromise<Webhook> {
    return this.#api.call(routes.webhooks.update, { params: { webhookId }, body: params }, options);
  }

  /**
   * Removes a webhook.
   *
   * @returns the webhook as it was
   * @throws NotFoundError where there is none of this id
   * @example
   * ```ts
   * await client.webhooks.delete("whk_1");
   * ```
   */
  delete(webhookId: string, options?: RequestOptions): APIPromise<Webhook> {
    return this.#api.call(routes.webhooks.delete, { params: { webhookId } }, options);
  }

  /**
   * Lists what was sent to a webhook and what is on its way, newest first. The server keeps what has arrived, or is given
   * up, for 30 days.
   *
   * @throws NotFoundError where there is no webhook of this id
   * @example
   * ```ts
   * for await (const { type, lastError } of client.webhooks.listDeliveries("whk_1", { status: "failed" }))
   *   show(type, lastError);
   * ```
   */
  listDeliveries(
    webhookId: string,
    params: WebhookDeliveryListParams = {},
    options?: RequestOptions,
  ): PagePromise<WebhookDelivery> {
    return this.#api.list(routes.webhooks.listDeliveries, { params: { webhookId }, query: params }, options);
  }

  /**
   * Sends an event to a webhook again, now, whether it had arrived or not: under the same id, by which a receiver knows
   * what it has.
   *
   * @throws ConflictError where the webhook is disabled
   * @throws NotFoundError where there is no such webhook or delivery
   * @example
   * ```ts
   * const { status } = await client.webhooks.resendDelivery("whk_1", "evt_1");
   * ```
   */
  resendDelivery(
    webhookId: string,
    deliveryId: string,
    options?: RequestOptions,
  ): APIPromise<WebhookDelivery> {
    return this.#api.call(routes.webhooks.resendDelivery, { params: { webhookId, deliveryId } }, options);
  }
}
