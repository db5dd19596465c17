import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { until } from "./support.ts";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));
const TSX = import.meta.resolve("tsx");

/** A run of the command. */
export interface CommandRun {
  readonly child: ChildProcess;
  /** What it has written to standard error so far. */
  said(): string;
  /** What it has written to standard output so far. */
  printed(): string;
  /** Waits until it has said something, and returns what matches. */
  says(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Waits until it ends, and returns its exit code. */
  ended(): Promise<number | null>;
}

/** Runs `licentric-gate` in a folder. */
export function runCommand(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): CommandRun {
  const child = spawn(process.execPath, ["--import", TSX, BIN, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exit = once(child, "exit");
  onTestFinished(() => void child.kill("SIGKILL"));
  const texts = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    texts.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    texts.err += text;
  });
  return {
    child,
    said: () => texts.err,
    printed: () => texts.out,
    async says(pattern) {
      await until(() => pattern.test(texts.err) || child.exitCode !== null, 50_000);
      const found = pattern.exec(texts.err);
      if (found === null) throw new Error(`it said something else: ${texts.err}`);
      return found;
    },
    async ended() {
      const [code]: (number | null)[] = await exit;
      return code ?? null;
    },
  };
}
