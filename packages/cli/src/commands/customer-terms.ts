import type { CustomerDiscount, CustomerMinimum, Discount } from "@licentric/sdk";
import { Command, Option } from "commander";
import { callApi } from "../call-api.ts";
import { usageError } from "../exit-codes.ts";
import { customerIdOf, NAME_OR_ID } from "../ids.ts";
import { type ListOptions, listView, readList, withListOptions } from "../list.ts";
import { moment, wholeNumber } from "../parse.ts";
import { shownTime } from "../show/time.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

interface TermOptions extends OutputOptions {
  readonly amount?: string;
  readonly none?: true;
  readonly periods?: number;
  readonly from?: string;
}

interface DiscountOptions extends TermOptions {
  readonly percent?: string;
  readonly reason?: string;
}

type Agreed = Pick<CustomerDiscount, "billedFrom" | "periods">;

/** `licentric customers discount`: agrees on a discount of a customer's invoices. */
export function discountCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("discount")
    .description("agree on a discount of a customer's invoices; it takes over from the one before")
    .argument("<customer>", NAME_OR_ID)
    .option("--percent <number>", "so many per cent of the sum of the lines, for example 12.5")
    .option("--amount <amount>", "so much of each period; what is more than the lines is not carried over")
    .option("--reason <text>", "stands on the invoice; required with a discount")
    .option("--none", "no discount any more");
  return withTermOptions(command, "the running period").action(
    async (customer: string, options: DiscountOptions) => {
      const { reason } = options;
      const discount = toDiscount(options);
      const set = await callApi(env, "setting the discount", async (client) =>
        client.customers.setDiscount(await customerIdOf(client, customer), {
          discount,
          ...(reason !== undefined && { reason }),
          ...toTerm(options),
        }),
      );
      print(options, set, (made) => `${shownDiscount(made)}.\n${billing(made)}`);
    },
  );
}

/** `licentric customers minimum`: agrees on the least that a customer's invoice comes to. */
export function minimumCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("minimum")
    .description(
      "agree on the least that a customer's invoice comes to, with usage or without; it takes over from the one before",
    )
    .argument("<customer>", NAME_OR_ID)
    .option("--amount <amount>", "the least of each period, after the discount")
    .option("--none", "no minimum any more");
  return withTermOptions(command, "the next period").action(
    async (customer: string, options: TermOptions) => {
      const { amount, none } = options;
      if ((amount === undefined) === (none === undefined)) throw usageError("Give --amount or --none.");
      const set = await callApi(env, "setting the minimum", async (client) =>
        client.customers.setMinimum(await customerIdOf(client, customer), {
          minimum: amount ?? null,
          ...toTerm(options),
        }),
      );
      print(options, set, (made) => `${shownMinimum(made)}.\n${billing(made)}`);
    },
  );
}

/** `licentric customers discounts`: the discounts that were agreed. */
export function discountsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("discounts")
    .description("list a customer's discounts, newest first")
    .argument("<customer>", NAME_OR_ID);
  return withListOptions(command).action(async (customer: string, options: ListOptions) => {
    const discounts = await callApi(env, "listing discounts", async (client, report) => {
      const id = await customerIdOf(client, customer);
      return readList(options, report, (page) => client.customers.listDiscounts(id, page));
    });
    print(
      options,
      discounts,
      listView("No discount.", (items) =>
        table(
          ["BILLED FROM", "PERIODS", "DISCOUNT", "REASON", "SET"],
          items.map((each) => [
            ...agreedCells(each),
            shownDiscount(each),
            each.reason,
            shownTime(each.createdAt),
          ]),
        ),
      ),
    );
  });
}

/** `licentric customers minimums`: the minimums that were agreed. */
export function minimumsCommand(env: NodeJS.ProcessEnv): Command {
  const command = new Command("minimums")
    .description("list a customer's minimums, newest first")
    .argument("<customer>", NAME_OR_ID);
  return withListOptions(command).action(async (customer: string, options: ListOptions) => {
    const minimums = await callApi(env, "listing minimums", async (client, report) => {
      const id = await customerIdOf(client, customer);
      return readList(options, report, (page) => client.customers.listMinimums(id, page));
    });
    print(
      options,
      minimums,
      listView("No minimum.", (items) =>
        table(
          ["BILLED FROM", "PERIODS", "MINIMUM", "SET"],
          items.map((each) => [...agreedCells(each), shownMinimum(each), shownTime(each.createdAt)]),
        ),
      ),
    );
  });
}

function withTermOptions(command: Command, first: string): Command {
  return command
    .addOption(
      new Option(
        "--periods <number>",
        "how many periods it counts for; until another takes over by default",
      ).argParser(wholeNumber(1)),
    )
    .addOption(
      new Option(
        "--from <time>",
        `the first period is the one that begins then or next; ${first} by default`,
      ).argParser(moment),
    )
    .addOption(jsonOption());
}

function toTerm({ periods, from }: TermOptions) {
  return { ...(periods !== undefined && { periods }), ...(from !== undefined && { effectiveFrom: from }) };
}

/** The discount that the options describe; null where there is to be none. */
function toDiscount({ percent, amount, none, reason }: DiscountOptions): Discount | null {
  const said = [percent, amount, none].filter((option) => option !== undefined);
  if (said.length !== 1) throw usageError("Give one of --percent, --amount and --none.");
  if (none) return null;
  if (reason === undefined) throw usageError("Give a --reason: it stands on the invoice.");
  if (percent !== undefined) return { model: "percent", percent };
  return { model: "amount", amount: amount ?? "" };
}

function shownDiscount({ discount }: CustomerDiscount): string {
  if (discount === null) return "No discount";
  return discount.model === "percent" ? `${discount.percent} % off` : `${discount.amount} off`;
}

function shownMinimum({ minimum }: CustomerMinimum): string {
  return minimum === null ? "No minimum" : `At least ${minimum}`;
}

function agreedCells({ billedFrom, periods }: Agreed) {
  return [billedFrom === null ? "never" : shownTime(billedFrom), periods ?? "until the next"];
}

/** The periods that something counts for, in words. */
function billing({ billedFrom, periods }: Agreed): string {
  if (billedFrom === null) return "It counts for no period: another takes over before one begins.\n";
  const count = periods === null ? "" : ` for ${periods === 1 ? "one period" : `${periods} periods`},`;
  return `It counts${count} from the one that begins ${shownTime(billedFrom)}.\n`;
}
