import type { Agent } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { agentIdOf, customerIdOf, NAME_OR_ID, payerIdOf } from "../ids.ts";
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

interface UpdateOptions extends CreateOptions {
  readonly name?: string;
}

interface AgentListOptions extends ListOptions {
  readonly status?: "active" | "suspended";
  readonly customer?: string;
  readonly name?: string;
}

/** `licentric agents`: the callers of your tools. */
export function agentsCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("agents")
    .addCommand(listCommand(env))
    .addCommand(createCommand(env))
    .addCommand(showCommand(env))
    .addCommand(updateCommand(env))
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
    .option("--customer <name or id>", "only this customer's agents")
    .option("--name <name>", "only those with exactly this name");
  return withListOptions(command).action(async (options: AgentListOptions) => {
    const { status, customer, name } = options;
    const agents = await callApi(env, "listing agents", async (client, report) => {
      const customerId = customer && (await customerIdOf(client, customer));
      const narrowed = {
        ...(status && { status }),
        ...(customerId && { customerId }),
        ...(name && { name }),
      };
      return readList(options, report, (page) => client.agents.list({ ...narrowed, ...page }));
    });
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
    .option("--customer <name or id>", "whom its usage is invoiced to")
    .addOption(
      new Option("--metadata <key=value>", "kept with the agent; may be given again").argParser(keyValue),
    )
    .addOption(jsonOption())
    .action(async (name: string, options: CreateOptions) => {
      const { customer, metadata } = options;
      const agent = await callApi(env, "creating the agent", async (client) => {
        const customerId = customer && (await customerIdOf(client, customer));
        return client.agents.create({
          name,
          ...(customerId && { customerId }),
          ...(metadata && { metadata }),
        });
      });
      print(options, agent, (made) => `${agentView(made)}\nNext: licentric authorize ${made.id}\n`);
    });
}

function showCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("show")
    .description("show an agent")
    .argument("<agent>", NAME_OR_ID)
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: OutputOptions) => {
      const agent = await callApi(env, "reading the agent", async (client) =>
        client.agents.get(await agentIdOf(client, nameOrId)),
      );
      print(options, agent, agentView);
    });
}

function updateCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("update")
    .description("change an agent's name, customer or metadata")
    .argument("<agent>", NAME_OR_ID)
    .option("--name <name>", "what it is called, on usage and invoices")
    .option(
      "--customer <name or id>",
      "whom its usage is invoiced to from now on; `none` for the account itself",
    )
    .addOption(
      new Option(
        "--metadata <key=value>",
        "kept with the agent instead of what is there; may be given again",
      ).argParser(keyValue),
    )
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: UpdateOptions) => {
      const { name, customer, metadata } = options;
      if (name === undefined && customer === undefined && metadata === undefined) {
        throw usageError("Say what to change: --name, --customer or --metadata.");
      }
      const agent = await callApi(env, "changing the agent", async (client) => {
        const id = await agentIdOf(client, nameOrId);
        const customerId = customer && (await payerIdOf(client, customer));
        return client.agents.update(id, {
          ...(name !== undefined && { name }),
          ...(customerId !== undefined && { customerId }),
          ...(metadata && { metadata }),
        });
      });
      print(options, agent, agentView);
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
    .argument("<agent>", NAME_OR_ID)
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: OutputOptions) => {
      const agent = await callApi(env, "changing the agent", async (client) =>
        client.agents.update(await agentIdOf(client, nameOrId), { status }),
      );
      print(options, agent, agentView);
    });
}

function deleteCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("delete")
    .description("delete an agent and revoke its tokens; its recorded usage stays and is billed")
    .argument("<agent>", NAME_OR_ID)
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (nameOrId: string, options: OutputOptions & ConfirmOptions) => {
      const { id, name } = await callApi(env, "reading the agent", async (client) =>
        client.agents.get(await agentIdOf(client, nameOrId)),
      );
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
