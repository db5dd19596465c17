import { spawn } from "node:child_process";
import { constants } from "node:os";
import { usageError } from "../exit-codes.ts";

/**
 * Runs a program on this terminal until it ends, or until this process is told to stop, and takes its exit code for
 * this process's.
 *
 * @throws CommandError where it cannot be started
 */
export async function runProgram(
  [program = "", ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  // npm's programs are scripts of the shell on Windows.
  const child = spawn(program, args, { env, stdio: "inherit", shell: process.platform === "win32" });
  // Ctrl+C reaches both; a signal to this process alone is handed on.
  const stop = () => child.kill("SIGTERM");
  process.once("SIGTERM", stop);
  try {
    process.exitCode = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
  } catch (error) {
    throw usageError(
      `${program} cannot be run (${error instanceof Error ? error.message : String(error)}). After -- comes a program ` +
        "with its arguments.",
    );
  } finally {
    process.off("SIGTERM", stop);
  }
}
