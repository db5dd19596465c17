import { clearLine, cursorTo } from "node:readline";
import { styled } from "./style.ts";

/** Milliseconds of silence before anything is said: what is quick needs no words. */
const PATIENCE = 1_000;
/** Milliseconds between two signs of life: of the wheel on a terminal, of a line in a log. */
const TURN = 120;
const LINE = 10_000;
const WHEEL = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** Says how far something has come. */
export type Report = (what: string) => void;

/**
 * Runs `work`, and says on standard error what is in progress once it takes longer than a second: a wheel on a
 * terminal, and elsewhere a line, then another every ten seconds.
 */
export async function withProgress<Result>(
  what: string,
  work: (report: Report) => PromiseLike<Result>,
): Promise<Result> {
  const started = performance.now();
  let current = what;
  let timer: NodeJS.Timeout | undefined;
  const { stderr } = process;
  const show = (turn: number) => {
    const seconds = Math.round((performance.now() - started) / 1_000);
    if (stderr.isTTY) {
      clearLine(stderr, 0);
      cursorTo(stderr, 0);
      const line = `${WHEEL[turn % WHEEL.length]} ${current}… ${seconds} s`;
      stderr.write(styled("dim", line.slice(0, (stderr.columns || 80) - 1), stderr));
    } else stderr.write(`licentric: ${current}… ${seconds} s\n`);
    timer = setTimeout(() => show(turn + 1), stderr.isTTY ? TURN : LINE);
  };
  timer = setTimeout(() => show(0), PATIENCE);
  try {
    return await work((next) => {
      current = next;
    });
  } finally {
    clearTimeout(timer);
    if (stderr.isTTY && performance.now() - started >= PATIENCE) {
      clearLine(stderr, 0);
      cursorTo(stderr, 0);
    }
  }
}
