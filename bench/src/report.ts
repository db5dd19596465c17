import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { isMet, type Row } from "./compare.ts";

/** Machine and software that the figures depend on besides the code. */
export interface Machine {
  readonly node: string;
  readonly cores: number;
  readonly cpu: string | undefined;
  /** The version of the PostgreSQL server; null where none was measured. */
  readonly postgres: string | null;
}

/** This machine. */
export function describeMachine(postgres: string | null): Machine {
  return { node: process.versions.node, cores: cpus().length, cpu: cpus()[0]?.model, postgres };
}

const HEADINGS = ["what", "ratio", "median", "from–to", "aim", ""];
const ALIGNED_RIGHT = 2;

/** The rows as a Markdown table, its columns aligned: as readable on a terminal as in a document. */
export function toMarkdown(rows: readonly Row[]): string {
  const cells = [HEADINGS, ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => (column === ALIGNED_RIGHT ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    column === ALIGNED_RIGHT ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(HEADINGS), line(rule), ...cells.slice(1).map(line)].join("\n");
}

function cellsOf(row: Row): string[] {
  const { name, ratio, median, min, max, aim, figures } = row;
  const aimText = aim === undefined ? "" : "atMost" in aim ? `≤ ${aim.atMost}` : `≥ ${aim.atLeast}`;
  return [
    name,
    `${ratio} (${figures})`,
    digits(median),
    `${digits(min)}–${digits(max)}`,
    aimText,
    { true: "met", false: "missed", null: "" }[`${isMet(row)}`],
  ];
}

function digits(value: number): string {
  return value.toFixed(Math.abs(value) < 100 ? 2 : 0);
}

/** Writes everything that was measured, for programs. */
export async function writeResults(file: string, machine: Machine, rows: readonly Row[]): Promise<void> {
  const results = rows.map((row) => ({ ...row, met: isMet(row) }));
  await writeFile(file, `${JSON.stringify({ machine, rows: results }, null, 2)}\n`);
}
