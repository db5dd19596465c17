import type { Gate } from "../charging/gate.ts";
import type { Passages } from "../charging/passages.ts";
import { type ChargeOptions, type Policy, toPolicy } from "../charging/policy.ts";
import type { VerifiedCaller } from "../verification-cache.ts";
import type { TaskOwners } from "./tasks.ts";

/** What something costs: its options, or false where it is free. */
// biome-ignore lint/suspicious/noExplicitAny: a server's tools are known by name alone; owners annotate what their functions read
export type Charges = Readonly<Record<string, ChargeOptions<any, any> | false>>;

/** What a protected server charges for. */
export interface ProtectOptions {
  /** Tools by name; false: free, without any check. */
  readonly tools?: Charges;
  /** Prompts by name. Prompts are left alone where this is not given. */
  readonly prompts?: Charges;
  /**
   * Resources by URI, in whichever spelling it is asked for, or by the name they are registered with, templates by
   * name. Left alone where this is not given.
   */
  readonly resources?: Charges;
  /**
   * What holds for whatever is not named above: by default its caller is verified and nothing is billed. `false`
   * makes it free for everybody.
   */
  readonly default?: ChargeOptions | false;
}

/** What a protected server does with each thing that it serves. */
export interface ServerPlan {
  readonly passages: Passages;
  /** Milliseconds that something of the owner's may take which is asked on the way to a call. */
  readonly timeout: number;
  /** How refused tool calls look. */
  readonly refusals: "result" | "error";
  /** Leave out of `tools/list` what the caller may not call. */
  readonly hideUncallable: boolean;
  /** Whether missing scopes are answered with HTTP 403 where the SDK can. */
  readonly scopeStepUp: boolean;
  /** The policy of something by its names, of which a resource has two; false where it is free. */
  policyFor(kind: Gate["kind"], names: readonly string[]): Policy | false;
  /** Whether the owner named one of these. */
  isNamed(kind: Gate["kind"], names: readonly string[]): boolean;
  /** Whose tasks are whose, on every server that is made. */
  readonly tasks: TaskOwners;
  /**
   * Says who asks; the API is asked at most once in a while.
   *
   * @throws Refused where that cannot be said
   */
  identify(context: unknown): Promise<VerifiedCaller>;
  /** The scopes of whoever asks: "none" without a valid credential, undefined where it could not be found out. */
  scopesOf(context: unknown): Promise<readonly string[] | "none" | undefined>;
}

const OPTION_NAMES = ["tools", "prompts", "resources", "default"];

/**
 * Checks what an owner wants protected and makes policies of it.
 *
 * @throws TypeError saying what is wrong and what to do
 */
export function toServerPlan(
  options: ProtectOptions,
  defaults: ChargeOptions,
  rest: Omit<ServerPlan, "policyFor" | "isNamed">,
): ServerPlan {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name));
  if (unknown !== undefined)
    throw new TypeError(
      `paywall.protect: there is no option "${unknown}"; the options are ${OPTION_NAMES.join(", ")}`,
    );
  const toMap = (charges: Charges | undefined, member: string) =>
    new Map(
      Object.entries(charges ?? {}).map(([name, charge]) => [
        name,
        charge === false
          ? charge
          : toPolicy({ ...defaults, ...charge }, `paywall.protect: ${member}.${name}`),
      ]),
    );
  const policies: Readonly<Record<Gate["kind"], ReadonlyMap<string, Policy | false>>> = {
    tool: toMap(options.tools, "tools"),
    prompt: toMap(options.prompts, "prompts"),
    resource: withNormalized(toMap(options.resources, "resources")),
  };
  const otherwise =
    options.default === false
      ? false
      : toPolicy({ ...defaults, ...options.default }, "paywall.protect: default");
  const unnamed: Readonly<Record<Gate["kind"], Policy | false>> = {
    tool: otherwise,
    prompt: options.prompts === undefined ? false : otherwise,
    resource: options.resources === undefined ? false : otherwise,
  };
  const named = (kind: Gate["kind"], names: readonly string[]) => {
    const isKnown = (name: string) => policies[kind].has(name);
    return names.find(isKnown) ?? (kind === "resource" ? names.map(normalized).find(isKnown) : undefined);
  };
  return {
    ...rest,
    policyFor(kind, names) {
      const name = named(kind, names);
      return (name === undefined ? undefined : policies[kind].get(name)) ?? unnamed[kind];
    },
    isNamed: (kind, names) => named(kind, names) !== undefined,
  };
}

/** Adds to each URI its normal spelling: whoever asks by another one asks for the same resource. */
function withNormalized<Value>(charges: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
  return new Map([...[...charges].map(([name, value]) => [normalized(name), value] as const), ...charges]);
}

/** A URI as a handler sees it that parses it. */
function normalized(name: string): string {
  return URL.canParse(name) ? new URL(name).href : name;
}
