import type { Command } from "commander";

/** Makes a command that reads what has an environment variable from `env`. */
export type MakeCommand = (env: NodeJS.ProcessEnv) => Command;

/** A command of the command line, which is loaded when it is run. */
export interface ListedCommand {
  readonly name: string;
  /** The arguments, as help shows them. */
  readonly takes?: string;
  readonly description: string;
  load(): Promise<MakeCommand>;
}

/** The help text of `licentric completion`, which is made of all other commands. */
export const COMPLETION_DESCRIPTION = "print the completion script of a shell: bash, zsh, fish, powershell";

/** All other commands by the groups that help shows, in its order. */
export const COMMANDS: Readonly<Record<string, readonly ListedCommand[]>> = {
  "Run the API:": [
    {
      name: "dev",
      description:
        "run the API for development, with a test key and an agent's token in .licentric/env, and show each call",
      load: async () => (await import("./commands/dev.ts")).devCommand,
    },
    {
      name: "start",
      description: "run the API for production; stops on SIGTERM after every request in flight is answered",
      load: async () => (await import("./commands/start.ts")).startCommand,
    },
    {
      name: "console",
      description: "print a link that opens the owner's console, once and within a minute",
      load: async () => (await import("./commands/console.ts")).consoleCommand,
    },
    {
      name: "backup",
      takes: "[file]",
      description: "write the embedded database into one file; stop the API first",
      load: async () => (await import("./commands/backup.ts")).backupCommand,
    },
    {
      name: "restore",
      takes: "<file>",
      description: "make a data directory out of a backup; nothing is overwritten",
      load: async () => (await import("./commands/backup.ts")).restoreCommand,
    },
  ],
  "Agents and what they may do:": [
    {
      name: "agents",
      description: "the callers of your tools",
      load: async () => (await import("./commands/agents.ts")).agentsCommand,
    },
    {
      name: "authorize",
      takes: "<agent>",
      description: "issue an agent's token; it is shown this once",
      load: async () => (await import("./commands/authorize.ts")).authorizeCommand,
    },
    {
      name: "credentials",
      description: "agents' tokens: list, revoke, rotate",
      load: async () => (await import("./commands/credentials.ts")).credentialsCommand,
    },
    {
      name: "budgets",
      description: "limits on what agents may use",
      load: async () => (await import("./commands/budgets.ts")).budgetsCommand,
    },
  ],
  "Usage and money:": [
    {
      name: "meters",
      description: "what is counted, and what it costs",
      load: async () => (await import("./commands/meters.ts")).metersCommand,
    },
    {
      name: "usage",
      description: "what was recorded",
      load: async () => (await import("./commands/usage.ts")).usageCommand,
    },
    {
      name: "period",
      description: "months of usage",
      load: async () => (await import("./commands/period.ts")).periodCommand,
    },
    {
      name: "close",
      takes: "<period>",
      description: "close a period and fix its totals; closing it again answers the same",
      load: async () => (await import("./commands/close.ts")).closeCommand,
    },
    {
      name: "invoice",
      description: "what periods cost, before and after they are closed",
      load: async () => (await import("./commands/invoice.ts")).invoiceCommand,
    },
    {
      name: "customers",
      description: "who pays for agents",
      load: async () => (await import("./commands/customers.ts")).customersCommand,
    },
    {
      name: "account",
      description: "the account itself, who pays for agents of no customer",
      load: async () => (await import("./commands/account.ts")).accountCommand,
    },
    {
      name: "export",
      takes: "<directory>",
      description: "write everything that the account has in the key's mode into files of JSON lines",
      load: async () => (await import("./commands/export.ts")).exportCommand,
    },
  ],
  "Setting up:": [
    {
      name: "init",
      takes: "[directory]",
      description: "write a starter: an MCP server (SDK v2) with one paid tool, a client and a test",
      load: async () => (await import("./commands/init.ts")).initCommand,
    },
    {
      name: "gate",
      takes: "[arguments...]",
      description: "run a paid front for any MCP server, in any language: needs @licentric/gate",
      load: async () => (await import("./commands/gate.ts")).gateCommand,
    },
    {
      name: "keys",
      description: "management keys",
      load: async () => (await import("./commands/keys.ts")).keysCommand,
    },
    {
      name: "webhooks",
      description: "where events are sent",
      load: async () => (await import("./commands/webhooks.ts")).webhooksCommand,
    },
    {
      name: "audit",
      description: "who changed what",
      load: async () => (await import("./commands/audit.ts")).auditCommand,
    },
    {
      name: "doctor",
      description:
        "check key, clock, reachability, database, time zones, Stripe and payers, and say what to do; changes nothing",
      load: async () => (await import("./commands/doctor.ts")).doctorCommand,
    },
  ],
};
