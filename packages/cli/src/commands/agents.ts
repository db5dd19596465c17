import type { Agent } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { keyValue } from "../parse.ts";
import { shownStatus } from "../show/status.ts";
import { shownTime } from "../show/time.ts";
import { type ConfirmOptions, confirm, yesOption } from "../terminal/confirm.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { fields, table } from "../terminal/table.ts";

interface CreateOptions extends OutputOptions {
  readonly customer?: string;
  readonly metadata?: Record<string, string>;
}

interface AgentListOptions extends ListOptions {
  readonly status?: "active" | "suspended";
  readonly customer?: string;
}

/** `licentric agents`: the callers of your tools. */
export function agentsCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("agents")
    .addCommand(listCommand(env))
    .addCommand(createCommand(env))
    .addCommand(showCommand(env))
    .addCommand(
      statusCommand(env, "suspend", "suspended", "refuse an agent's tokens at once, until it is resumed"),
    )
    .addCommand(statusCommand(env, "resume", "active", "let a suspended agent call again"))
    .addCommand(deleteCommand(env));
}

function listCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("list")
    .description("list agents, newest first")
    .addOption(new Option("--status <status>", "only these").choices(["active", "suspended"]))
    .option("--customer <id>", "only this customer's agents");
  return withListOptions(command).action(async (options: AgentListOptions) => {
    const { status, customer: customerId } = options;
    const narrowed = { ...(status && { status }), ...(customerId && { customerId }) };
    const agents = await callApi(env, "listing agents", (client, report) =>
      readList(options, report, (page) => client.agents.list({ ...narrowed, ...page })),
    );
    print(
      options,
      agents,
      listView("No agents. `licentric agents create <name>` makes one.", (items) =>
        table(
          ["ID", "NAME", "STATUS", "CREATED"],
          items.map(({ id, name, status, createdAt }) => [
            id,
            name,
            shownStatus(status),
            shownTime(createdAt),
          ]),
        ),
      ),
    );
  });
}

function createCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("create")
    .description("create an agent")
    .argument("<name>", "what it is called, on usage and invoices")
    .option("--customer <id>", "whom its usage is invoiced to")
    .addOption(
      new Option("--metadata <key=value>", "kept with the agent; may be given again").argParser(keyValue),
    )
    .addOption(jsonOption())
    .action(async (name: string, options: CreateOptions) => {
      const { customer: customerId, metadata } = options;
      const agent = await callApi(env, "creating the agent", (client) =>
        client.agents.create({ name, ...(customerId && { customerId }), ...(metadata && { metadata }) }),
      );
      print(options, agent, (made) => `${agentView(made)}\nNext: licentric authorize ${made.id}\n`);
    });
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show an agent")
    .argument("<agent>", "its id")
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions) => {
      print(options, await callApi(env, "reading the agent", (client) => client.agents.get(id)), agentView);
    });
}

function statusCommand(
  env: NodeJS.ProcessEnv,
  name: "suspend" | "resume",
  status: "suspended" | "active",
  description: string,
): Command {
  return new Command(name)
    .description(description)
    .argument("<agent>", "its id")
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions) => {
      const agent = await callApi(env, "changing the agent", (client) =>
        client.agents.update(id, { status }),
      );
      print(options, agent, agentView);
    });
}

function deleteCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("delete")
    .description("delete an agent and revoke its tokens; its recorded usage stays and is billed")
    .argument("<agent>", "its id")
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (id: string, options: OutputOptions & ConfirmOptions) => {
      const { name } = await callApi(env, "reading the agent", (client) => client.agents.get(id));
      await confirm(`Delete the agent "${name}" and revoke its tokens?`, options);
      const agent = await callApi(env, "deleting the agent", (client) => client.agents.delete(id));
      print(options, agent, (deleted) => `Deleted ${deleted.id}.\n`);
    });
}

function agentView(agent: Agent): string {
  return fields([
    ["id", agent.id],
    ["name", agent.name],
    ["status", shownStatus(agent.status)],
    ["customer", agent.customerId],
    ["metadata", Object.keys(agent.metadata).length === 0 ? undefined : JSON.stringify(agent.metadata)],
    ["created", shownTime(agent.createdAt)],
    ["updated", shownTime(agent.updatedAt)],
  ]);
}
