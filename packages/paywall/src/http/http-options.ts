import type { ChargedTarget } from "../call/charged-target.ts";
import {
  type ChargeOptions,
  isOptions,
  OPTIONS_ADVICE,
  type Policy,
  toPolicy,
} from "../pricing/charge-options.ts";

/** The price of requests to one route, and who may make them. */
export interface HttpOptions<Request, Result = unknown> extends ChargeOptions<Request, Result> {
  /** The name in events; the method and path of each request by default. */
  readonly name?: string;
}

/** A route that is charged for. */
export interface ChargedRoute {
  readonly name: string | undefined;
  readonly policy: Policy;
}

/**
 * Checks the options of a route.
 *
 * @param where - what the options are of, for the error's sentence
 * @throws TypeError saying what is wrong and what to do
 */
export function toChargedRoute(
  // biome-ignore lint/suspicious/noExplicitAny: options of any framework's request; a policy is applied to the route it was made with
  given: HttpOptions<any, any>,
  defaults: Partial<ChargeOptions>,
  where: string,
): ChargedRoute {
  if (!isOptions(given)) throw new TypeError(`${where}: ${OPTIONS_ADVICE}`);
  const { name, ...options } = given;
  if (name !== undefined && (typeof name !== "string" || name === ""))
    throw new TypeError(`${where}: name is a string that is not empty`);
  return { name, policy: toPolicy({ ...defaults, ...options }, where) };
}

/** Returns what a request to a route is charged as. */
export function targetOf({ name, policy }: ChargedRoute, method: string, url: string): ChargedTarget {
  const called = name ?? `${method} ${url.split("?", 1)[0]}`;
  return { kind: "call", name: called, id: `call ${called}`, policy };
}
