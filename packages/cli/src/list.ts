import type { Page, Pagination } from "@licentric/sdk";
import { type Command, Option } from "commander";
import { wholeNumber } from "./parse.ts";
import { jsonOption, type OutputOptions } from "./terminal/print.ts";
import type { Report } from "./terminal/progress.ts";
import { styled } from "./terminal/style.ts";

/** Most items of one page, as the API has it. */
const PAGE = 100;

/** The options that say how much of a list is read. */
export interface ListOptions extends OutputOptions {
  readonly limit: number;
  readonly all?: true;
  readonly cursor?: string;
}

/** A list as the API answers it. */
export interface Listed<Item> {
  readonly data: Item[];
  readonly pagination: Pagination;
}

/** Gives a command the options of every list. */
export function withListOptions(command: Command, order = "newest first"): Command {
  return command
    .addOption(new Option("--limit <number>", `how many, ${order}`).argParser(wholeNumber(1)).default(25))
    .addOption(new Option("--all", "all of them"))
    .addOption(new Option("--cursor <id>", "go on behind this one: pagination.nextCursor of --json"))
    .addOption(jsonOption());
}

/** Reads as much of a list as was asked for, page by page. */
export async function readList<Item>(
  { limit, all, cursor }: ListOptions,
  report: Report,
  list: (page: { limit: number; cursor?: string }) => PromiseLike<Page<Item>>,
): Promise<Listed<Item>> {
  const data: Item[] = [];
  let behind = cursor;
  for (;;) {
    const size = all ? PAGE : Math.min(PAGE, limit - data.length);
    const page = await list({ limit: size, ...(behind !== undefined && { cursor: behind }) });
    data.push(...page.data);
    report(`reading, ${data.length} so far`);
    const { hasMore, nextCursor } = page.pagination;
    if (!hasMore || nextCursor === null || (!all && data.length >= limit)) {
      return { data, pagination: page.pagination };
    }
    behind = nextCursor;
  }
}

/** A list for people: the table, a word where it is empty, and on standard error whether there is more. */
export function listView<Item>(empty: string, toTable: (items: Item[]) => string) {
  return (listed: Listed<Item>): string => {
    const { data } = listed;
    sayIfMore(listed);
    return data.length === 0 ? `${empty}\n` : toTable(data);
  };
}

/** The items of a list as rows of a CSV file, and on standard error whether there is more. */
export function listRows<Item>(toRows: (items: Item[]) => string) {
  return (listed: Listed<Item>): string => {
    sayIfMore(listed);
    return toRows(listed.data);
  };
}

function sayIfMore({ pagination }: Listed<unknown>): void {
  if (!pagination.hasMore) return;
  process.stderr.write(
    `${styled("dim", "There are more: --all, or --limit with a larger number.", process.stderr)}\n`,
  );
}
