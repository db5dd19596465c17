import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandStep, stepsOf } from "./document-steps.ts";
import { SampleValues } from "./sample-values.ts";
import { type Running, Terminal } from "./terminal.ts";

/** Whom a document is carried out for. */
export interface Reader {
  /** The folder that the first terminal opens in. */
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Values that the document's samples stand for, such as ports, by the samples. */
  readonly values: Readonly<Record<string, string>>;
}

/** How long commands may take. Packages are installed in that time, on a busy machine. */
const PATIENCE = 240_000;

/**
 * Does what a document has its reader do: saves its files, runs its commands, and compares what they print with what
 * the document shows. Afterwards it presses Ctrl+C in every terminal where something still runs.
 *
 * @throws Error at the first step that does not do what the document says
 */
export async function carryOut(document: string, reader: Reader): Promise<void> {
  const values = new SampleValues(reader.values);
  const terminals = [new Terminal(reader.directory, reader.environment)];
  const left: Running[] = [];
  try {
    for (const step of stepsOf(document)) {
      let terminal = terminals.at(-1) ?? new Terminal(reader.directory, reader.environment);
      if (step.kind === "file") {
        writeFileSync(join(terminal.directory, step.name), values.fill(step.text));
        continue;
      }
      if (step.inNewTerminal) {
        terminal = new Terminal(terminal.directory, reader.environment);
        terminals.push(terminal);
      }
      const running = terminal.run(values.fill(step.text));
      left.push(running);
      await check(step, running, values);
    }
    for (const running of left) {
      await running.interrupt();
      if (running.exitCode() === undefined) throw new Error("Something goes on after Ctrl+C.");
    }
  } finally {
    for (const running of left) await running.hangUp();
    for (const terminal of terminals) terminal.remove();
  }
}

/** Waits until commands did what the document says. */
async function check(step: CommandStep, running: Running, values: SampleValues): Promise<void> {
  const shown = step.output === undefined ? undefined : trimmed(step.output);
  const matches = () => shown === undefined || values.match(shown, trimmed(running.output()));
  await running.until(() => step.staysRunning && shown !== undefined && matches(), PATIENCE);
  const code = running.exitCode();
  const fault =
    code === undefined && !step.staysRunning
      ? "did not end"
      : code !== undefined && code !== 0
        ? `ended with ${code}`
        : code === 0 && step.staysRunning
          ? "ended, and should go on"
          : !matches()
            ? "printed something else"
            : undefined;
  if (fault === undefined) return;
  const expected = shown === undefined ? "" : `\nThe document shows:\n${values.fill(shown)}\n`;
  throw new Error(
    `The commands at line ${step.line} ${fault}.\n${step.text}${expected}\nThey printed:\n${running.output()}`,
  );
}

/** Without empty lines around it and spaces at line ends, which a reader does not see. */
const trimmed = (text: string) => text.replace(/[ \t]+$/gm, "").replace(/^\n+|\n+$/g, "");
