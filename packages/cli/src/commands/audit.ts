import { Command } from "commander";
import { callApi } from "../call-api.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { shownTime } from "../show/time.ts";
import { print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

interface AuditListOptions extends ListOptions {
  readonly actor?: string;
  readonly key?: string;
  readonly operation?: string;
  readonly resource?: string;
}

/** `licentric audit`: who changed what. */
export function auditCommand(env: NodeJS.ProcessEnv): Command {
  const list = new Command("list")
    .description("list the changes to the account's resources, newest first")
    .option("--operation <name>", "only these, for example agents.update")
    .option("--resource <id>", "only those to this resource")
    .option("--key <id>", "only those made with this management key")
    .option("--actor <actor>", "only those of key, cli, program, stripe or system");
  withListOptions(list).action(async (options: AuditListOptions) => {
    const { actor, key: keyId, operation, resource: resourceId } = options;
    const narrowed = {
      ...(actor && { actor }),
      ...(keyId && { keyId }),
      ...(operation && { operation }),
      ...(resourceId && { resourceId }),
    };
    const events = await callApi(env, "reading the audit log", (client, report) =>
      readList(options, report, (page) => client.auditEvents.list({ ...narrowed, ...page })),
    );
    print(
      options,
      events,
      listView("No changes.", (items) =>
        table(
          ["TIME", "ACTOR", "KEY", "OPERATION", "RESOURCES", "REQUEST"],
          items.map((each) => [
            shownTime(each.createdAt),
            each.actor,
            each.keyId,
            each.operation,
            each.resourceIds.join(" "),
            each.requestId,
          ]),
        ),
      ),
    );
  });
  return new Command("audit").addCommand(list);
}
