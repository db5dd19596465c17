import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { frameworks } from "../../packages/mcp/compat/frameworks.ts";
import { resultsTable } from "./results-table.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/frameworks/index.md"), "utf8");

it("says in the documentation what was found of each framework, and nothing else", () => {
  const rows = page.split("\n").filter((line) => line.startsWith("|"));
  expect(rows.map(cellsOf)).toEqual(resultsTable().split("\n").map(cellsOf));
});

/** The cells of a row, without what aligns them. */
function cellsOf(row: string): string[] {
  return row.split("|").map((cell) => cell.trim().replace(/^-+$/, "---"));
}

it("has a row for every framework that is run", () => {
  for (const { name } of frameworks) expect(page).toContain(`\n| [${name}](`);
});
