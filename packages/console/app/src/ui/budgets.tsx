import type { Budget } from "@licentric/contract";
import type { ReactNode } from "react";
import { type BudgetOwner, createBudget, editBudget, removeBudget } from "../acts/budgets.tsx";
import { useList, useMoneyAndTime } from "../queries.ts";
import { Acts, useActsColumn } from "./acts.tsx";
import { BUDGET_COLUMNS } from "./budget-table.tsx";
import { List } from "./list-page.tsx";
import { Section } from "./page.tsx";

/** Budgets of one agent, or those that a customer's agents use together. */
export function Budgets({
  owner,
  name,
  empty,
}: {
  readonly owner: BudgetOwner;
  readonly name: string;
  readonly empty: ReactNode;
}) {
  const { currency } = useMoneyAndTime();
  const query = useList<Budget>("/api/v1/budgets", { ...owner });
  const acts = useActsColumn<Budget>("budgets:write", (budget) => [editBudget(budget), removeBudget(budget)]);
  return (
    <Section title="Budgets" beside={<Acts acts={[createBudget(owner, name, currency)]} />}>
      <List
        query={query}
        label={`Budgets of this ${"agentId" in owner ? "agent" : "customer"}`}
        rowKey={({ id }) => id}
        columns={[...BUDGET_COLUMNS, ...acts]}
        empty={empty}
      />
    </Section>
  );
}
