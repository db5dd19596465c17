import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { beforeAll, describe, expect, it } from "vitest";
import { routes } from "../../contract/src/routes.ts";
import { createProgram, loadAllCommands } from "./program.ts";

type Calls = { readonly [R in keyof typeof routes]: { readonly [C in keyof (typeof routes)[R]]: string } };

/** Calls that are an agent's, with its own token: the command line has the owner's key. */
const AGENTS_OWN = "an agent's own";

/** The command for each call of the API. A call that is added does not compile without one. */
const COMMAND_OF: Calls = {
  mcp: {
    authorize: "authorize",
    verify: AGENTS_OWN,
    reserve: AGENTS_OWN,
    commit: AGENTS_OWN,
    release: AGENTS_OWN,
    me: AGENTS_OWN,
    listPrices: AGENTS_OWN,
  },
  agents: {
    create: "agents create",
    list: "agents list",
    get: "agents show",
    update: "agents update",
    delete: "agents delete",
  },
  credentials: { list: "credentials list", revoke: "credentials revoke", rotate: "credentials rotate" },
  meters: {
    create: "meters create",
    list: "meters list",
    get: "meters show",
    update: "meters update",
    setPrice: "meters price",
    listPrices: "meters prices",
  },
  budgets: {
    create: "budgets create",
    list: "budgets list",
    get: "budgets show",
    update: "budgets update",
    delete: "budgets delete",
  },
  usage: {
    recordBatch: "usage record",
    listEvents: "usage events",
    totals: "usage totals",
    timeseries: "usage timeseries",
    refundEvent: "usage refund",
  },
  billing: {
    getCurrentPeriod: "period current",
    getPeriod: "period show",
    listPeriods: "period list",
    closePeriod: "close",
    preview: "invoice preview",
    previewAgents: "invoice preview",
    createInvoice: "invoice create",
    createInvoices: "invoice create",
    listUninvoiced: "invoice pending",
    checkPeriod: "invoice check",
    createAdjustment: "usage adjust",
    listAdjustments: "usage adjustments",
    getInvoice: "invoice show",
    listInvoices: "invoice list",
    issueInvoice: "invoice issue",
    payInvoice: "invoice pay",
    createInvoiceLink: "invoice link",
    voidInvoice: "invoice void",
    createCreditNote: "invoice credit",
    listCreditNotes: "invoice credits",
  },
  account: { get: "account show", update: "account update" },
  customers: {
    create: "customers create",
    list: "customers list",
    get: "customers show",
    update: "customers update",
    setDiscount: "customers discount",
    listDiscounts: "customers discounts",
    setMinimum: "customers minimum",
    listMinimums: "customers minimums",
  },
  keys: { create: "keys create", list: "keys list", revoke: "keys revoke" },
  console: { createCode: "console" },
  auditEvents: { list: "audit list" },
  webhooks: {
    create: "webhooks create",
    list: "webhooks list",
    get: "webhooks show",
    update: "webhooks update",
    delete: "webhooks delete",
  },
};

const calls = Object.entries(routes).flatMap(([resource, table]) =>
  Object.entries(table).map(([call, { auth }]) => {
    const commands: Readonly<Record<string, string>> = Object(Reflect.get(COMMAND_OF, resource));
    return { name: `${resource}.${call}`, auth, command: commands[call] };
  }),
);

describe("the command line does what the API does", () => {
  let program: Command;
  let source: string;
  beforeAll(async () => {
    program = createProgram({}, await loadAllCommands());
    const directory = import.meta.dirname;
    const files = await readdir(directory, { recursive: true });
    const commands = files.filter((file) => !/\.test\.ts$|export|doctor/.test(file) && file.endsWith(".ts"));
    source = (await Promise.all(commands.map((file) => readFile(join(directory, file), "utf8")))).join("\n");
  });

  it.each(calls)("$name: licentric $command", ({ name, auth, command = "" }) => {
    if (command === AGENTS_OWN) return expect(auth).toMatch(/^agent/);
    expect(auth).toBe("key");
    const found = command
      .split(" ")
      .reduce<Command | undefined>(
        (parent, word) => parent?.commands.find((child) => child.name() === word),
        program,
      );
    expect(found, `licentric ${command}`).toBeDefined();
    expect(found?.commands, `licentric ${command} is a group`).toHaveLength(0);
    // The client's method for one event of a batch is another one.
    const method = name === "usage.recordBatch" ? "usage.record" : name;
    expect(source).toContain(`client.${method}(`);
  });
});
