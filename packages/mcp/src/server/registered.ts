import type { Policy } from "@licentric/paywall/adapter";
import { isRecord, property, stringProperty } from "@licentric/paywall/adapter";
import type { ServedKind } from "../handler/request-scope.ts";

/** Something that is registered with an `McpServer`, as a request asks for it. */
export interface Registered {
  /** The name in events: a template's is the one that it is registered with. */
  readonly name: string;
  /** Names under which an owner may have a policy for it. */
  readonly names: readonly string[];
  /** The policy that its handler brings itself, wrapped by `paywall.tool` and its like. */
  readonly ownPolicy: Policy | undefined;
  /**
   * The arguments as its handler gets them; undefined where the SDK's own handler refuses the request before it gets
   * there.
   */
  accept(params: unknown): Promise<{ readonly args: unknown } | undefined>;
}

/** An `McpServer` with the request handlers that it installs by itself. */
export interface BuiltIn {
  /** Returns whether it is installing handlers of a kind at this moment. */
  installing(kind: ServedKind): boolean;
  /** Returns the thing that is registered under the name that a request asks for. */
  find(kind: ServedKind, asked: string): Registered | undefined;
  /** Returns the names of each thing that is registered. */
  names(kind: ServedKind): readonly (readonly string[])[];
}

/** The names that a thing had before it was renamed, the last first. */
const earlierNames = new WeakMap<object, readonly string[]>();

/** Remembers a name that a registered thing has no more: its price goes with it. */
export function rememberName(entry: object, name: string): void {
  earlierNames.set(entry, [...new Set([name, ...(earlierNames.get(entry) ?? [])])]);
}

/** A registered thing where an `McpServer` keeps it, under the name that it is registered with. */
export interface Entry {
  readonly kind: ServedKind;
  readonly name: string;
  readonly entry: Readonly<Record<PropertyKey, unknown>>;
}

/** Names under which an owner may have a policy for this: of a resource its URI and its registered name; then earlier ones. */
export function namesOf({ name, entry }: Omit<Entry, "kind">): readonly string[] {
  const registered = stringProperty(entry, "name");
  const template = property(property(entry, "resourceTemplate"), "uriTemplate");
  const names = [name, registered, template === undefined ? undefined : String(template)];
  return [...names.filter((text) => text !== undefined), ...(earlierNames.get(entry) ?? [])];
}

/** Returns whether a registered thing is a template, whose handler reads the URI that it is asked for. */
export function isTemplate(entry: Entry["entry"]): boolean {
  return "resourceTemplate" in entry;
}

/** Finds what a request asks for among the entries of its kind, as both SDKs do. */
export function findEntry(
  kind: ServedKind,
  registries: readonly Readonly<Record<PropertyKey, unknown>>[],
  asked: string,
): Entry | undefined {
  const isUrl = kind === "resource" && URL.canParse(asked);
  const name = isUrl ? new URL(asked).href : asked;
  for (const entries of registries) {
    const exact = Object.hasOwn(entries, name) ? entries[name] : undefined;
    if (isRecord(exact) && !isTemplate(exact)) return { kind, name, entry: exact };
  }
  if (!isUrl) return undefined;
  for (const entries of registries) {
    for (const [key, entry] of Object.entries(entries)) {
      if (isRecord(entry) && matches(entry, name)) return { kind, name: key, entry };
    }
  }
  return undefined;
}

function matches(entry: Readonly<Record<PropertyKey, unknown>>, uri: string): boolean {
  const template = property(property(entry, "resourceTemplate"), "uriTemplate");
  const match = property(template, "match");
  return typeof match === "function" && Boolean(Reflect.apply(match, template, [uri]));
}

/**
 * Checks a request as the SDK's own handler does before it calls what is registered.
 *
 * @returns the arguments that it would be called with; undefined where it would not be
 */
export async function acceptedArgs(
  server: object,
  { kind, name, entry }: Entry,
  params: unknown,
): Promise<{ readonly args: unknown } | undefined> {
  if (entry["enabled"] === false) return undefined;
  if (kind === "resource") {
    const uri = stringProperty(params, "uri") ?? "";
    return URL.canParse(uri) ? { args: new URL(uri) } : undefined;
  }
  const sent = property(params, "arguments");
  if (kind === "prompt") return validated(entry["argsSchema"], "callback" in entry ? sent : (sent ?? {}));
  const needsTask = property(entry["execution"], "taskSupport") === "required";
  if (needsTask && property(params, "task") === undefined) return undefined;
  const validate = property(server, "validateToolInput");
  if (typeof validate !== "function") return validated(entry["inputSchema"], sent ?? {});
  try {
    return { args: await Reflect.apply(validate, server, [entry, sent, name]) };
  } catch {
    // It throws for arguments that it refuses, and says so once more to the client.
    return undefined;
  }
}

async function validated(schema: unknown, value: unknown): Promise<{ readonly args: unknown } | undefined> {
  if (schema === undefined) return { args: undefined };
  const validate = property(property(schema, "~standard"), "validate");
  if (typeof validate !== "function") return undefined;
  const checked: unknown = await validate(value);
  return property(checked, "issues") === undefined ? { args: property(checked, "value") } : undefined;
}
