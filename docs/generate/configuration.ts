import { Environment } from "../../packages/server/src/config.ts";
import { document, table } from "./markdown.ts";
import { expectSame, readmeTable } from "./readme-table.ts";

/**
 * The page of every environment variable.
 *
 * @throws Error where the server's README has other variables than the server reads
 */
export function configurationPage(): string {
  const server = readmeTable("server", "Configuration");
  expectSame("configuration of the server", server.names, Object.keys(Environment.shape));
  return document(
    "# Configuration",
    "## The API",
    `What \`npx licentric start\`, \`npx licentric dev\` and [readConfig](server/functions/readConfig.md) read. Everything
has a default. What is wrong is named at start, all of it at once, and never with its value. Flags of the
[command line](command-line.md) win over the environment.`,
    server.text,
    "## The client, the paywall and the command line",
    table(
      ["variable", "who reads it", "what it sets"],
      [
        [
          "`LICENTRIC_API_KEY`",
          "client, paywall, command line",
          "the management key; a paywall needs one only for metering in the background",
        ],
        [
          "`LICENTRIC_BASE_URL`",
          "client, paywall, gate, command line",
          "the API's origin; `https://www.licentric.com` by default",
        ],
        [
          "`LICENTRIC_AGENT_TOKEN`",
          "paywall, gate",
          "the token of the agent that a stdio server was started for; read for local calls alone",
        ],
        ["`LICENTRIC_JOURNAL_DIR`", "paywall", 'where usage is journalled with `metering: "background"`'],
        ["`NO_COLOR`", "command line", "no colours, also on a terminal"],
        ["`FORCE_COLOR`", "command line", "`1`: colours, also elsewhere and with `NO_COLOR`; `0`: none"],
      ],
    ),
  );
}
