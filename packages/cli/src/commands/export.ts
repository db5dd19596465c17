import { mkdir, open, readdir, rename } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Licentric } from "@licentric/sdk";
import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import type { Report } from "../terminal/progress.ts";

/** One file of the export: a resource of the API, one line of JSON for each. */
type Source = (client: Licentric) => AsyncIterable<unknown>;

const PAGE = { limit: 100 };

/** Everything that the API has of an account in one mode, by the name of its file. Secrets are not among it. */
const SOURCES: Readonly<Record<string, Source>> = {
  account: async function* (client) {
    yield await client.account.get();
  },
  customers: (client) => client.customers.list(PAGE),
  discounts: each(
    (client) => client.customers.list(PAGE),
    (client, { id }) => client.customers.listDiscounts(id, PAGE),
  ),
  minimums: each(
    (client) => client.customers.list(PAGE),
    (client, { id }) => client.customers.listMinimums(id, PAGE),
  ),
  agents: (client) => client.agents.list(PAGE),
  credentials: each(
    (client) => client.agents.list(PAGE),
    (client, { id }) => client.credentials.list(id, PAGE),
  ),
  meters: (client) => client.meters.list(PAGE),
  prices: each(
    (client) => client.meters.list(PAGE),
    (client, { id }) => client.meters.listPrices(id, PAGE),
  ),
  budgets: (client) => client.budgets.list(PAGE),
  "usage-events": (client) => client.usage.listEvents(PAGE),
  periods: (client) => client.billing.listPeriods(PAGE),
  "usage-totals": each(
    (client) => client.billing.listPeriods(PAGE),
    async function* (client, { id }) {
      for (const total of await client.usage.totals({
        periodId: id,
        groupBy: ["agent", "customer", "day"],
      })) {
        yield { periodId: id, ...total };
      }
    },
  ),
  adjustments: (client) => client.billing.listAdjustments(PAGE),
  invoices: (client) => client.billing.listInvoices(PAGE),
  "credit-notes": async function* (client) {
    for await (const { id } of client.billing.listInvoices(PAGE)) {
      if (id !== undefined) yield* client.billing.listCreditNotes(id, PAGE);
    }
  },
  webhooks: (client) => client.webhooks.list(PAGE),
  keys: (client) => client.keys.list(PAGE),
  "audit-events": (client) => client.auditEvents.list(PAGE),
};

/** `licentric export`: everything that an account has, as files. */
export function exportCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("export")
    .argument("<directory>", "a new directory, or an empty one")
    .addOption(jsonOption())
    .action(async (named: string, options: OutputOptions) => {
      const directory = resolve(named);
      // Names, addresses and e-mail addresses are in the files: they are for whoever asked for them alone.
      await mkdir(directory, { recursive: true, mode: 0o700 });
      if ((await readdir(directory)).length > 0) {
        throw usageError(`${directory} is not empty: nothing is overwritten. Name a new directory.`);
      }
      const counts = await callApi(env, "exporting", (client, report) => writeAll(client, directory, report));
      print(options, { directory, counts }, () => {
        const lines = Object.entries(counts).map(([name, count]) => `  ${name}.ndjson  ${count}\n`);
        return `Wrote ${directory}:\n${lines.join("")}`;
      });
    });
}

async function writeAll(
  client: Licentric,
  directory: string,
  report: Report,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [name, source] of Object.entries(SOURCES)) {
    const file = join(directory, `${name}.ndjson`);
    const partial = `${file}.partial`;
    const handle = await open(partial, "wx", 0o600);
    let count = 0;
    try {
      for await (const item of source(client)) {
        await handle.appendFile(`${JSON.stringify(item)}\n`);
        count += 1;
        if (count % 1_000 === 0) report(`${name}, ${count} so far`);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    counts[name] = count;
  }
  return counts;
}

/** Makes a source of the items that belong to each item of a list. */
function each<Parent>(
  parents: (client: Licentric) => AsyncIterable<Parent>,
  children: (client: Licentric, parent: Parent) => AsyncIterable<unknown>,
): Source {
  return async function* (client) {
    for await (const parent of parents(client)) yield* children(client, parent);
  };
}
