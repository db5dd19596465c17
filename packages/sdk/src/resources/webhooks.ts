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
}
