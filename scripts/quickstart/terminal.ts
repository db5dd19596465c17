import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withoutProgress } from "../../packages/cli/test/support/licentric.ts";

/** What commands do on a terminal. */
export interface Running {
  /** Everything that they printed so far, without what is said only while something takes long. */
  output(): string;
  /** The exit code of the commands, or undefined as long as they run. */
  exitCode(): number | undefined;
  /** Waits until they ended, or until `reached`, but no longer than `limit` milliseconds. */
  until(reached: () => boolean, limit: number): Promise<void>;
  /** Presses Ctrl+C and waits until they ended. */
  interrupt(): Promise<void>;
  /** Hangs up, as closing the terminal does, and waits until they ended. */
  hangUp(): Promise<void>;
}

/**
 * A terminal as a person uses it: its folder and its exported variables stay from one command to the next. `script`
 * of util-linux makes it, so Linux alone has it.
 */
export class Terminal {
  readonly #files = mkdtempSync(join(tmpdir(), "licentric-terminal-"));
  readonly #environment: NodeJS.ProcessEnv;
  #directory: string;

  constructor(directory: string, environment: NodeJS.ProcessEnv) {
    this.#directory = directory;
    this.#environment = { ...environment, SHELL: "/bin/sh", TERM: "xterm", NO_COLOR: "1" };
  }

  /** Where the terminal is, after the last commands that ended. */
  get directory(): string {
    const file = join(this.#files, "directory");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd() : this.#directory;
  }

  /** Runs commands, each where the one before it succeeded. */
  run(commands: string): Running {
    const path = (name: string) => join(this.#files, name);
    const restore = existsSync(path("exports")) ? `. ${path("exports")}\n` : "";
    const keep = `export -p > ${path("exports")}\npwd > ${path("directory")}\n`;
    writeFileSync(path("commands"), `set -e\n${restore}${commands}${keep}`);
    writeFileSync(path("errors"), "");
    const shell = `bash --noprofile --norc ${path("commands")} 2> ${path("errors")}`;
    const child = spawn("script", ["--quiet", "--return", "--flush", "--command", shell, "/dev/null"], {
      cwd: this.directory,
      env: this.#environment,
      stdio: "pipe",
    });
    let printed = "";
    child.stdout.on("data", (text) => {
      printed += text;
    });
    return running(child, () => printed + readFileSync(path("errors"), "utf8"));
  }

  /** Removes what the terminal keeps. */
  remove(): void {
    rmSync(this.#files, { recursive: true, force: true });
  }
}

function running(child: ChildProcess, printed: () => string): Running {
  const closed = once(child, "close");
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const until = async (reached: () => boolean, limit: number) => {
    const end = performance.now() + limit;
    while (!ended() && !reached() && performance.now() < end) {
      await Promise.race([closed, sleep(100)]);
    }
    if (ended()) await closed;
  };
  return {
    output: () => withoutProgress(printed().replaceAll("\r\n", "\n")),
    exitCode: () => child.exitCode ?? undefined,
    until,
    async interrupt() {
      child.stdin?.write("\u0003");
      await until(() => false, 20_000);
    },
    async hangUp() {
      child.kill("SIGTERM");
      await until(() => false, 20_000);
    },
  };
}
