import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { inject } from "vitest";

const running = new Set<ChildProcess>();

/** What a command printed, and what it ended with. */
export interface Ended {
  readonly stdout: string;
  /** Without the lines that say what is in progress: a busy machine is slow at anything. */
  readonly stderr: string;
  readonly code: number | null;
}

/** Node with the real command line, built as it is published. */
export const commandLine: readonly string[] = [process.execPath, inject("licentricProgram")];

/** Runs the real command line as a process of its own, with no environment but what is given. */
export function licentric(args: readonly string[], env: Record<string, string> = {}) {
  return run([...commandLine, ...args], env);
}

/** Runs any command; what it writes is kept, and it is killed by {@link killRunning} if it still runs. */
export function run(
  [command = "", ...args]: readonly string[],
  env: Record<string, string> = {},
  { cwd }: { readonly cwd?: string } = {},
) {
  const child = spawn(command, args, {
    env: { PATH: process.env["PATH"], ...env },
    stdio: "pipe",
    ...(cwd !== undefined && { cwd }),
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => {
    output.stdout += text;
  });
  child.stderr.on("data", (text) => {
    output.stderr += text;
  });
  const closed = once(child, "close");
  return {
    child,
    output,
    ended: async (): Promise<Ended> => {
      await closed;
      return { stdout: output.stdout, stderr: withoutProgress(output.stderr), code: child.exitCode };
    },
    firstLine: async (): Promise<string> => {
      for await (const line of createInterface({ input: child.stdout })) return line;
      throw new Error(`ended without a line: ${output.stderr}`);
    },
  };
}

/** Ends every process that is still there. */
export async function killRunning(): Promise<void> {
  for (const child of [...running]) {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}

/** What a command wrote, without the lines that say what is in progress. */
export const withoutProgress = (written: string) => written.replace(/^licentric: .*… \d+ s\n/gm, "");
