import type { Budget } from "@licentric/contract";
import { visible } from "../text.ts";
import { limitText } from "../ui/budget-table.tsx";
import type { Act, Field, Values } from "./act.ts";

/** The owner of a budget: one agent, or all agents of one customer together. */
export type BudgetOwner = { readonly agentId: string } | { readonly customerId: string };

const pathOf = (budgetId: string) => `/api/v1/budgets/${encodeURIComponent(budgetId)}`;

const inMoney = ({ kind }: Values) => kind === "money";

const enforcedField = (enforced: boolean): Field => ({
  name: "enforced",
  label: "Refuse what does not fit",
  kind: "check",
  initial: enforced ? "on" : "",
  hint: "Without it the call goes through, and the owner of the tool is told that the limit is passed.",
});

const warnField = (percent: number): Field => ({
  name: "warnAtPercent",
  label: "Warn from this percentage on",
  kind: "whole",
  least: 1,
  required: true,
  initial: String(percent),
});

const fieldsFor = (currency: string): readonly Field[] => [
  {
    name: "kind",
    label: "Limits",
    kind: "choice",
    options: [
      ["units", "Units of a meter"],
      ["money", "Money that is spent"],
    ],
  },
  { name: "meter", label: "Meter", kind: "meter", required: true, when: (values) => !inMoney(values) },
  {
    name: "anyMeter",
    label: "Spent on",
    kind: "meter",
    options: [["", "All meters together"]],
    when: inMoney,
  },
  { name: "limit", label: "Most units", kind: "whole", required: true, when: (values) => !inMoney(values) },
  {
    name: "amount",
    label: `Most that may be spent in ${currency.toUpperCase()}`,
    kind: "decimal",
    required: true,
    when: inMoney,
  },
  {
    name: "window",
    label: "Starts again",
    kind: "choice",
    options: [
      ["period", "With each period"],
      ["day", "Each day at midnight"],
      ["total", "Never"],
    ],
  },
  enforcedField(true),
  warnField(80),
];

/** Sets a new budget. */
export function createBudget(owner: BudgetOwner, name: string, currency: string): Act {
  const whose = "agentId" in owner ? "it may use" : "its agents may use together";
  return {
    name: "Set budget",
    title: `Set a budget for ${visible(name)}`,
    scope: "budgets:write",
    says: <p>Limits what {whose}, from now on. What is used already counts.</p>,
    fields: fieldsFor(currency),
    perform: (values, send) =>
      send("POST", "/api/v1/budgets", {
        ...owner,
        ...(inMoney(values)
          ? { amount: values["amount"], ...(values["anyMeter"] ? { meterName: values["anyMeter"] } : {}) }
          : { limit: Number(values["limit"]), meterName: values["meter"] }),
        window: values["window"],
        enforced: values["enforced"] === "on",
        warnAtPercent: Number(values["warnAtPercent"]),
      }),
    done: "The budget is set.",
  };
}

const subjectOf = (budget: Budget) =>
  `the budget of ${limitText(budget)}${budget.meterName === null ? "" : ` for ${budget.meterName}`}`;

/** Changes a budget's limit. */
export function editBudget(budget: Budget): Act {
  const { amounts } = budget;
  const limit: Field =
    amounts === undefined
      ? { name: "limit", label: "Most units", kind: "whole", required: true, initial: String(budget.limit) }
      : {
          name: "amount",
          label: `Most that may be spent in ${amounts.currency.toUpperCase()}`,
          kind: "decimal",
          required: true,
          initial: amounts.limit,
        };
  return {
    name: "Edit",
    of: subjectOf(budget),
    title: "Edit the budget",
    scope: "budgets:write",
    confirm: "Save",
    says: <p>It counts from the next call on. What is used already stays used.</p>,
    fields: [limit, enforcedField(budget.enforced === true), warnField(budget.warnAtPercent)],
    perform: (values, send) =>
      send("PATCH", pathOf(budget.id), {
        ...(amounts === undefined ? { limit: Number(values["limit"]) } : { amount: values["amount"] }),
        enforced: values["enforced"] === "on",
        warnAtPercent: Number(values["warnAtPercent"]),
      }),
    done: "The budget is changed.",
  };
}

/** Removes a budget. */
export function removeBudget(budget: Budget): Act {
  return {
    name: "Remove",
    of: subjectOf(budget),
    title: `Remove ${subjectOf(budget)}`,
    scope: "budgets:write",
    confirm: "Remove the budget",
    grave: true,
    says: <p>From now on nothing is limited by it. What is used is billed as before.</p>,
    perform: (_, send) => send("DELETE", pathOf(budget.id)),
    done: "The budget is removed.",
  };
}
