/** A file that a document gives its reader to save. */
export interface FileStep {
  readonly kind: "file";
  readonly line: number;
  readonly name: string;
  readonly text: string;
}

/** Commands that a document gives its reader to run. */
export interface CommandStep {
  readonly kind: "commands";
  readonly line: number;
  readonly text: string;
  /** What the document shows as their output, where it shows any. */
  readonly output?: string;
  /** Whether the document opens another terminal for them. */
  readonly inNewTerminal: boolean;
  /** Whether they go on running: the document opens another terminal for the next ones. */
  readonly staysRunning: boolean;
}

/**
 * What a document has its reader do, from its fenced blocks in their order: `ts` is a file, under the last file name
 * that the prose before it gives in backticks; `sh` is commands, in a new terminal where the prose before speaks of
 * one; `text` is the output of the commands right before it.
 *
 * @throws Error where a block is none of these: nobody would carry it out
 */
export function stepsOf(document: string): (FileStep | CommandStep)[] {
  const steps: (FileStep | CommandStep)[] = [];
  let end = 0;
  for (const { 0: fence, 1: language = "", 2: text = "", index } of document.matchAll(
    /^```(.*)\n([\s\S]*?)^```$/gm,
  )) {
    const prose = document.slice(end, index);
    const line = document.slice(0, index).split("\n").length;
    const before = steps.at(-1);
    end = index + fence.length;
    if (language === "ts") {
      const name = [...prose.matchAll(/`([\w-]+\.mjs)`/g)].at(-1)?.[1];
      if (name === undefined) throw new Error(`The block at line ${line} has no file name before it.`);
      steps.push({ kind: "file", line, name, text });
    } else if (language === "sh") {
      const inNewTerminal = /\bterminal\b/i.test(prose);
      if (inNewTerminal) {
        const last = steps.findLastIndex((step) => step.kind === "commands");
        const running = steps[last];
        if (running?.kind === "commands") steps[last] = { ...running, staysRunning: true };
      }
      steps.push({ kind: "commands", line, text, inNewTerminal, staysRunning: false });
    } else if (language === "text" && before?.kind === "commands" && prose.trim() === "") {
      steps[steps.length - 1] = { ...before, output: text };
    } else {
      throw new Error(`The block at line ${line} is no file, no commands and no output: ${language}.`);
    }
  }
  return steps;
}
