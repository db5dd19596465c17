import { styleText } from "node:util";

const colours = process.stdout.isTTY && !process.env["NO_COLOR"];
const style = (format: "bold" | "dim" | "green" | "yellow", text: string) =>
  colours ? styleText(format, text) : text;

/** Prints one line. */
export function say(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a step's heading. */
export function heading(number: number, title: string): void {
  say(`\n${style("bold", `${number}. ${title}`)}`);
}

/** Prints what was called and what came of it. */
export function shown(what: string, outcome: string): void {
  say(`   ${what.padEnd(38)} ${style("dim", outcome)}`);
}

/** Prints something that was checked. */
export function checked(text: string): void {
  say(`   ${style("green", "✓")} ${text}`);
}

/** Prints what an agent was told when it was refused. */
export function refused(what: string, code: string, message: string): void {
  say(`   ${what.padEnd(38)} ${style("yellow", code)}`);
  say(`     ${style("dim", `“${message}”`)}`);
}

/** Prints rows of text in columns; all but the first are aligned to the right. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, column) => Math.max(widest[column] ?? 0, cell.length)),
    [],
  );
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart((widths[column] ?? 0) + 3),
    );
    say(`   ${cells.join("")}`);
  }
}
