import type { Licentric } from "@licentric/sdk";
import { CommandError, EXIT } from "./exit-codes.ts";

/**
 * A meter's id, by its name or as it is: names begin with a letter and have no capitals, so most ids are none.
 *
 * @throws CommandError where no meter has the name
 */
export async function meterId(client: Licentric, nameOrId: string): Promise<string> {
  if (!/^[a-z][a-z0-9_.-]{0,63}$/.test(nameOrId) || isUuid(nameOrId)) return nameOrId;
  for (const meter of (await client.meters.list({ name: nameOrId, limit: 1 })).data) return meter.id;
  throw new CommandError(
    `No meter has the name "${nameOrId}". \`licentric meters list\` shows the meters that exist.`,
    EXIT.notFound,
  );
}

const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
