import type { Licentric } from "@licentric/sdk";
import type { Command } from "commander";
import { agentIdOf, customerIdOf, meterIdOf } from "./ids.ts";
import { requireExists } from "./require-exists.ts";

/** The options that say whose usage is meant. */
export interface UserOptions {
  readonly agent?: string;
  readonly customer?: string;
  readonly meter?: string;
}

/** Gives a command the options that say whose usage is meant. */
export function withUserOptions(command: Command): Command {
  return command
    .option("--agent <name or id>", "only this agent's")
    .option("--customer <name or id>", "only this customer's agents'")
    .option("--meter <name>", "only this meter's");
}

/** The API's filters for what the options say. */
export async function toUsageFilters(client: Licentric, { agent, customer, meter: meterName }: UserOptions) {
  const agentId = agent && (await agentIdOf(client, agent));
  const customerId = customer && (await customerIdOf(client, customer));
  return {
    ...(agentId && { agentId }),
    ...(customerId && { customerId }),
    ...(meterName && { meterName }),
  };
}

/**
 * Requires that what was asked about is there: no usage is an answer only then, and a mistyped id must not pass for it.
 *
 * @throws NotFoundError where it does not exist
 */
export async function requireUsersExist(client: Licentric, users: UserOptions): Promise<void> {
  const { agentId, customerId, meterName } = await toUsageFilters(client, users);
  if (meterName !== undefined) await requireExists(meterIdOf(client, meterName));
  if (agentId !== undefined) await requireExists(client.agents.get(agentId));
  if (customerId !== undefined) await requireExists(client.customers.get(customerId));
}
