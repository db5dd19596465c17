import { noSuch, STRIPE_RULES as RULES, refusalOf } from "./stripe-rules.ts";

/** A form as it was sent: `address[city]` is one key. */
export type Params = Record<string, string>;

/** An object of Stripe's. */
export interface StripeObject {
  id: string;
  object: string;
  created: number;
  metadata: Params;
  // biome-ignore lint/suspicious/noExplicitAny: an object of Stripe's has members of every shape.
  [member: string]: any;
}

/** What the resources are kept in. */
export interface StripeStore {
  readonly objects: Map<string, StripeObject>;
  create(object: string, prefix: string, params: Params, rest: object): StripeObject;
  /** Its clock, in seconds. */
  now(): number;
}

/** Live objects of a kind, oldest first. */
export function allOf({ objects }: Pick<StripeStore, "objects">, object: string): StripeObject[] {
  return [...objects.values()].filter((one) => one.object === object && one["deleted"] !== true);
}

export const find = ({ objects }: StripeStore, id: string, object: string) => {
  const found = objects.get(id);
  if (found?.object !== object || found["deleted"] === true) throw noSuch(object, id);
  return found;
};
/** Of an id in the body, not in the path. */
export const referTo = ({ objects }: StripeStore, id: string, object: string) => {
  const found = objects.get(id);
  if (found?.object !== object || found["deleted"] === true) throw noSuch(object, id, 400);
  return found;
};
export const allow = (invoice: StripeObject, statuses: string[]) => {
  if (!statuses.includes(invoice["status"])) throw refusalOf(RULES.draftsOnly);
};

/** The members of a form such as `metadata[a]=1`. */
export function nested(params: Params, name: string): Params {
  const entries = Object.entries(params).flatMap(([key, value]) => {
    const member = new RegExp(`^${name}\\[(.+)\\]$`).exec(key)?.[1];
    return member === undefined ? [] : [[member, value] as const];
  });
  return Object.fromEntries(entries);
}

/** The metadata of an object that a form changes: entries are merged, and an empty text takes one away. */
export function mergedMetadata({ metadata }: StripeObject, params: Params): { metadata: Params } {
  const entries = Object.entries({ ...metadata, ...nested(params, "metadata") });
  return { metadata: metadataOf(toForm(entries)) };
}

const toForm = (entries: readonly (readonly [string, string])[]): Params =>
  Object.fromEntries(entries.map(([key, value]) => [`metadata[${key}]`, value]));

export function metadataOf(params: Params): Params {
  const entries = Object.entries(nested(params, "metadata")).filter(([, value]) => value !== "");
  if (entries.some(([key]) => /[[\]]/.test(key))) throw refusalOf(RULES.metadataKey);
  if (entries.length > 50 || entries.some(([key, value]) => key.length > 40 || value.length > 500)) {
    throw refusalOf(RULES.metadata);
  }
  return Object.fromEntries(entries);
}
