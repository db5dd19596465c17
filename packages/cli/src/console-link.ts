import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ConsoleCodeCreateParams, Licentric } from "@licentric/sdk";

/** A link that opens the console, once and within a minute. */
export interface ConsoleLink {
  readonly url: string;
  readonly role: string;
  readonly expiresAt: string;
}

/** Has the API make a code for the console, and writes the link with it. A fragment is sent to no server. */
export async function consoleLink(
  client: Licentric,
  params: ConsoleCodeCreateParams = {},
): Promise<ConsoleLink> {
  const { code, role, expiresAt } = await client.console.createCode(params);
  return { url: `${client.baseUrl}/console#code=${code.reveal()}`, role, expiresAt };
}

/** Returns false in a clone of the repository where the console's pages have not been built. */
export async function hasConsole(): Promise<boolean> {
  const { consoleDirectory } = await import("@licentric/console");
  return existsSync(join(consoleDirectory, "index.html"));
}
