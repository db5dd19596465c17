import type { Licentric } from "@licentric/sdk";
import { CommandError, EXIT, usageError } from "./exit-codes.ts";
import { NONE } from "./payer-options.ts";
import { isAllowed, requireExists } from "./require-exists.ts";

/** The help text of an argument or an option that {@link agentIdOf} and the like read. */
export const NAME_OR_ID = "its name or id";

/** A resource that has a name, as lists have it. */
interface Named {
  readonly id: string;
  readonly name: string;
}

/** An agent's id, by its name or as it is. */
export function agentIdOf(client: Licentric, nameOrId: string): Promise<string> {
  return idOf(nameOrId, "agent", {
    named: (name) => client.agents.list({ name, limit: 100 }),
    get: (id) => client.agents.get(id),
  });
}

/** A customer's id, by its name or as it is. */
export function customerIdOf(client: Licentric, nameOrId: string): Promise<string> {
  return idOf(nameOrId, "customer", {
    named: (name) => client.customers.list({ name, limit: 100 }),
    get: (id) => client.customers.get(id),
  });
}

/** A customer's id, by its name or as it is; null where `none` says the account itself. */
export async function payerIdOf(client: Licentric, nameOrIdOrNone: string): Promise<string | null> {
  return nameOrIdOrNone === NONE ? null : customerIdOf(client, nameOrIdOrNone);
}

/**
 * A meter's id, by its name or as it is: names begin with a letter and have no capitals, so most ids are none.
 *
 * @throws CommandError where no meter has the name
 */
export async function meterIdOf(client: Licentric, nameOrId: string): Promise<string> {
  if (!/^[a-z][a-z0-9_.-]{0,63}$/.test(nameOrId) || isUuid(nameOrId)) return nameOrId;
  for (const meter of (await client.meters.list({ name: nameOrId, limit: 1 })).data) return meter.id;
  throw new CommandError(
    `No meter has the name "${nameOrId}". \`licentric meters list\` shows the meters that exist.`,
    EXIT.notFound,
  );
}

interface Lookup {
  /** Reads those that have a name, which an older API may not narrow to. */
  readonly named: (name: string) => AsyncIterable<Named>;
  readonly get: (id: string) => PromiseLike<unknown>;
}

/**
 * The id of what a name or an id says. A UUID is an id and costs no request. A name is matched exactly; a text that is
 * nobody's name is an id, if there is one.
 *
 * @throws CommandError where several have the name
 * @throws NotFoundError where neither a name nor an id is the text
 */
async function idOf(text: string, kind: string, { named, get }: Lookup): Promise<string> {
  if (isUuid(text)) return text;
  const found: string[] = [];
  // A key that may not list them can name them by their ids.
  await isAllowed(async () => {
    for await (const { id, name } of named(text)) if (name === text.trim()) found.push(id);
  });
  const [only] = found;
  if (only === undefined) await requireExists(get(text));
  return onlyOne(found, `${kind}s have the name "${text}"`) ?? text;
}

/**
 * The only one of the ids that were found; undefined where there is none.
 *
 * @param said - what they have in common, for example `agents have the name "bot"`
 * @throws CommandError where there are several: which is meant is not guessed
 */
export function onlyOne(ids: readonly string[], said: string): string | undefined {
  if (ids.length > 1) {
    throw usageError(`${ids.length} ${said}: ${ids.join(", ")}. Name the one that you mean by its id.`);
  }
  return ids[0];
}

const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
