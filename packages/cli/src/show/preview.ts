import type { AgentCost, CostPreview } from "@licentric/sdk";
import { toCsv } from "../terminal/csv.ts";
import { type Cell, table } from "../terminal/table.ts";
import { shownMoney, termLines } from "./invoice.ts";
import { shownUnitPrice } from "./price.ts";
import { shownQuantity } from "./quantity.ts";

/** The cost of a period by payer, its lines and its total, for people. */
export function previewTable(costs: readonly CostPreview[]): string {
  return table(
    ["PAYER", "LINE", "QUANTITY", "UNIT PRICE", "AMOUNT", "INVOICE"],
    costs.flatMap(({ name, lines, total, currency, invoiceId, ...terms }) => [
      ...lines.map((line): Cell[] => [
        name,
        line.description,
        shownQuantity(line),
        shownUnitPrice(line),
        line.amount,
        invoiceId,
      ]),
      ...termLines(terms).map(({ description, amount }): Cell[] => [
        name,
        description,
        "",
        "",
        amount,
        invoiceId,
      ]),
      [name, { text: "total", style: "bold" }, "", "", shownMoney(total, currency), invoiceId],
    ]),
  );
}

/** The lines of a period's cost as CSV, one in a line. Columns are named as the API names them. */
export function previewCsv(costs: readonly CostPreview[]): string {
  return toCsv(
    [
      "periodId",
      "customerId",
      "name",
      "invoiceId",
      "meterName",
      "description",
      "quantity",
      "unitPrice",
      "ownPrice",
      "amount",
      "currency",
    ],
    costs.flatMap(({ lines, ...cost }) => [
      ...lines.map((line) => ({ ...cost, ...line, quantity: shownQuantity(line) })),
      ...termLines(cost).map(({ description, amount }) => ({ ...cost, description, amount })),
    ]),
  );
}

/** The cost of each agent's usage of each meter, for people. */
export function agentCostsTable(costs: readonly AgentCost[]): string {
  return table(
    ["AGENT", "CUSTOMER", "METER", "USED", "ADJUSTED", "COST"],
    costs.map((each) => [
      each.agentName ?? each.agentId,
      each.customerId,
      each.meterName,
      BigInt(each.used),
      BigInt(each.adjusted),
      shownMoney(each.cost, each.currency),
    ]),
  );
}

/** The cost of each agent's usage of each meter as CSV. */
export function agentCostsCsv(costs: readonly AgentCost[]): string {
  return toCsv(
    ["periodId", "agentId", "agentName", "customerId", "meterName", "used", "adjusted", "cost", "currency"],
    costs,
  );
}
