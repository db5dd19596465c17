import type { Links, PriceList, VerifiedCaller } from "@licentric/paywall/adapter";
import {
  type ChargeOptions,
  isOptions,
  OPTIONS_ADVICE,
  type Policy,
  toPolicy,
} from "@licentric/paywall/adapter";
import type { HandlerCharges } from "../handler/handler-charges.ts";
import type { ServedKind } from "../handler/request-scope.ts";
import type { TaskOwners } from "../protocol/task-owners.ts";
import { createResourceCharges, strongestOf } from "./resource-charges.ts";

/** The price of each thing: its options, or false where it is free. */
// biome-ignore lint/suspicious/noExplicitAny: a server's tools are known by name alone; owners annotate what their functions read
export type Charges = Readonly<Record<string, ChargeOptions<any, any> | false>>;

/** Options of `paywall.protect`: the things that a server charges for. */
export interface ProtectOptions {
  /** Tools by name; false: free, without any check. */
  readonly tools?: Charges;
  /** Prompts by name. Prompts are left alone where this is not given. */
  readonly prompts?: Charges;
  /**
   * Resources by URI, or by the name they are registered with, templates by name. Left alone where this is not given.
   *
   * Request handlers of your own and templates may take many spellings for one URI, so the price of a URI holds for
   * each: in other escapes, another case of scheme and host, with its default port, with fewer or more slashes
   * (`docs://report`, `docs:///report`), dot segments or a slash at the end, and with another query or fragment, unless
   * the longer URI is named as well. `false` holds for no other query or fragment, only for spellings that are the
   * same by RFC 3986, and for none that may be read as a URI with a price. A URI that is named goes before a
   * template's name. What is no URI and is not named goes by `default`.
   */
  readonly resources?: Charges;
  /**
   * Options of everything that is not named above: by default its caller is verified and nothing is billed. `false`
   * makes it free for everybody.
   */
  readonly default?: ChargeOptions | false;
  /**
   * Requests that cost nothing and need a valid token all the same; none by default. Lists and completions run for
   * everybody otherwise, and may tell what is behind the prices: the resources that there are, the values of a
   * prompt's arguments. A completion needs the scopes of what it completes, too, and is for everybody where that is free.
   */
  readonly requireToken?: readonly TokenMethod[];
}

const TOKEN_METHODS = [
  "completion/complete",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "tools/list",
] as const;

/** A request that costs nothing. */
export type TokenMethod = (typeof TOKEN_METHODS)[number];

/** The prices of a protected server, and the parts that its guards share. */
export interface ServerPlan {
  /** The place where the owner wrote the prices, for sentences about them. */
  readonly where: string;
  readonly handlerCharges: HandlerCharges;
  /** The owner's links for who is refused. */
  readonly links: Links;
  /** Milliseconds that something of the owner's may take which is asked on the way to a call. */
  readonly timeout: number;
  /** The form of refused tool calls. */
  readonly refusals: "result" | "error";
  /** Put a receipt into the result of a billed call. */
  readonly receipts: boolean;
  /** Leave out of `tools/list` what the caller may not call. */
  readonly hideUncallable: boolean;
  readonly showPrices: boolean;
  /** True if missing scopes are answered with HTTP 403 where the SDK can. */
  readonly scopeStepUp: boolean;
  /**
   * The policy of something by its names, of which a resource has two; false where it is free.
   *
   * @param asked - of a resource that is served by a handler which reads its URI, that URI as the client spelled it
   */
  policyFor(kind: ServedKind, names: readonly string[], asked?: string): Policy | false;
  /** The requests that need a valid token besides those that are charged for. */
  readonly tokenMethods: Pick<ReadonlySet<unknown>, "has">;
  /** The names of a kind in the owner's options. */
  readonly names: Readonly<Record<ServedKind, readonly string[]>>;
  /** Tells the owner of a mistake in the set-up, once. */
  readonly warn: (reason: string) => void;
  /** Returns whether the owner named one of these. */
  isNamed(kind: ServedKind, names: readonly string[]): boolean;
  /** The owners of tasks, on every server that is made. */
  readonly tasks: TaskOwners;
  /**
   * Says who asks; the API is asked at most once in a while.
   *
   * @throws RefusedError where that cannot be said
   */
  identify(context: unknown): Promise<VerifiedCaller>;
  /** The scopes of whoever asks: "none" without a valid credential, undefined where it could not be found out. */
  scopesOf(context: unknown): Promise<readonly string[] | "none" | undefined>;
  /** The prices that whoever asks pays; undefined where it could not be found out. */
  pricesOf(context: unknown): Promise<PriceList | undefined>;
}

/** The parts of a plan that are the paywall's own, whatever its prices are. */
export type PlanParts = Omit<ServerPlan, "where" | "policyFor" | "isNamed" | "names" | "tokenMethods">;

const OPTION_NAMES = ["tools", "prompts", "resources", "default", "requireToken"];

function toTokenMethods(methods: readonly TokenMethod[] = [], where: string): ReadonlySet<unknown> {
  const known: readonly unknown[] = TOKEN_METHODS;
  if (!Array.isArray(methods) || methods.some((method) => !known.includes(method)))
    throw new TypeError(
      `${where}: requireToken is a list of these: ${TOKEN_METHODS.map((method) => `"${method}"`).join(", ")}`,
    );
  return new Set(methods);
}

function toPolicyOrFree(
  charge: ChargeOptions | false,
  where: string,
  defaults: ChargeOptions,
): Policy | false {
  if (charge === false) return charge;
  // `true` would else verify, and bill nothing.
  if (!isOptions(charge)) throw new TypeError(`${where}: ${OPTIONS_ADVICE}, or false for what is free`);
  return toPolicy({ ...defaults, ...charge }, where);
}

function toPolicies(
  charges: Charges = {},
  where: string,
  defaults: ChargeOptions,
): ReadonlyMap<string, Policy | false> {
  if (!isOptions(charges)) throw new TypeError(`${where} is an object of names with their options`);
  return new Map(
    Object.entries(charges).map(([name, charge]) => [
      name,
      toPolicyOrFree(charge, `${where}.${name}`, defaults),
    ]),
  );
}

/**
 * Checks what an owner wants protected and makes policies of it.
 *
 * @throws TypeError saying what is wrong and what to do
 */
export function toServerPlan(
  options: ProtectOptions,
  defaults: ChargeOptions,
  rest: PlanParts & Pick<ServerPlan, "where">,
): ServerPlan {
  const { where } = rest;
  if (!isOptions(options))
    throw new TypeError(
      `${where}: options are an object such as { tools: { forecast: { meterName: "api_calls" } } }`,
    );
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name));
  if (unknown !== undefined)
    throw new TypeError(
      `${where}: there is no option "${unknown}"; the options are ${OPTION_NAMES.join(", ")}`,
    );
  const policies: Readonly<Record<ServedKind, ReadonlyMap<string, Policy | false>>> = {
    tool: toPolicies(options.tools, `${where}: tools`, defaults),
    prompt: toPolicies(options.prompts, `${where}: prompts`, defaults),
    resource: toPolicies(options.resources, `${where}: resources`, defaults),
  };
  const resources = createResourceCharges(policies.resource);
  const otherwise = toPolicyOrFree(
    options.default === undefined ? {} : options.default,
    `${where}: default`,
    defaults,
  );
  const unnamed: Readonly<Record<ServedKind, Policy | false>> = {
    tool: otherwise,
    prompt: options.prompts === undefined ? false : otherwise,
    resource: options.resources === undefined ? false : otherwise,
  };
  const named = (kind: ServedKind, names: readonly string[]) => {
    const find = kind === "resource" ? resources.named : (name: string) => policies[kind].get(name);
    return names.map(find).find((policy) => policy !== undefined);
  };
  return {
    ...rest,
    tokenMethods: toTokenMethods(options.requireToken, where),
    names: {
      tool: [...policies.tool.keys()],
      prompt: [...policies.prompt.keys()],
      resource: [...policies.resource.keys()],
    },
    policyFor(kind, names, asked) {
      const byName = named(kind, names);
      if (kind !== "resource") return byName ?? unnamed[kind];
      if (asked === undefined) return byName ?? resources.alike(names[0] ?? "") ?? unnamed[kind];
      const within = resources.within(asked);
      // A template that names no query is the same for every one.
      const namesQuery = names.some((name) => /[?&]/.test(name));
      const other = namesQuery ? (byName ?? within) : strongestOf(byName, within);
      return resources.alike(asked) ?? other ?? unnamed[kind];
    },
    isNamed: (kind, names) => named(kind, names) !== undefined,
  };
}
