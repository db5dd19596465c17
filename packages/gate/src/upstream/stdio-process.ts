import { isUtf8 } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import type { StdioUpstream } from "../exchange.ts";
import { createLineSplitter } from "../message/line-splitter.ts";
import { type Message, readServerParcel } from "../message/message.ts";

/** The events of a process. */
export interface ProcessEvents {
  readonly onMessage: (message: Message) => void;
  /** A line that is no message: its first characters. */
  readonly onJunk: (start: string) => void;
  /** A message beyond the limit: its first and last characters. */
  readonly onTooLong: (head: string, tail: string) => void;
  /** It is over, and so is everything that it started: a phrase such as `exit code 1`. */
  readonly onEnd: (how: string) => void;
}

/** A running stdio upstream. */
export interface StdioProcess {
  /** False if more waits for it to be read than should. */
  readonly isReading: boolean;
  /** Writes one message; nothing is written to a process that is over. */
  write(text: string): void;
  /** Ends it: closes its stdin, then SIGTERM, then SIGKILL to its whole process group. Resolves when it is over. */
  stop(): Promise<void>;
}

/** Milliseconds between closing stdin, SIGTERM and SIGKILL. */
const GRACE = 1_000;
/** Most bytes that wait for the process to read them. */
const MAX_UNREAD = 64 * 1_048_576;

/** Returns the gate's own environment without what is the gate's alone, and with what the owner adds. */
export function environmentOf(
  added: Readonly<Record<string, string>> = {},
  own: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const kept = Object.entries(own).filter(([name]) => !name.toUpperCase().startsWith("LICENTRIC_"));
  return { ...Object.fromEntries(kept), ...added };
}

/** Starts a stdio upstream in a process group of its own. Its stderr is the gate's. */
export function startProcess(
  { command, args, env, cwd }: StdioUpstream,
  maxBytes: number,
  events: ProcessEvents,
): StdioProcess {
  const child = spawn(command, args, {
    cwd,
    env: environmentOf(env),
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = watchEnd(child, events);
  child.stdout.on("data", createLineSplitter(maxBytes, readLines(events)));
  // Told by the end of the process.
  for (const stream of [child.stdin, child.stdout]) stream.on("error", () => {});
  return {
    get isReading() {
      return child.stdin.writableLength <= MAX_UNREAD;
    },
    write(text) {
      // A message is a line: a newline between its tokens is as good as a space.
      if (child.stdin.writable) child.stdin.write(`${text.replace(/[\r\n]/g, " ")}\n`);
    },
    async stop() {
      child.stdin.end();
      const timers = [
        setTimeout(() => killGroup(child, "SIGTERM"), GRACE),
        setTimeout(() => killGroup(child, "SIGKILL"), 2 * GRACE),
      ];
      await ended;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

function readLines({ onMessage, onJunk, onTooLong }: ProcessEvents) {
  return {
    onLine(line: Buffer) {
      const text = line.toString("utf8");
      let messages: readonly Message[];
      try {
        messages = isUtf8(line) ? readServerParcel(text).messages : [];
      } catch {
        messages = [];
      }
      if (messages.length === 0) {
        if (text.trim() !== "") onJunk(printable(text));
        return;
      }
      for (const message of messages) onMessage(message);
    },
    onTooLong: (head: Buffer, tail: Buffer) => onTooLong(head.toString("latin1"), tail.toString("latin1")),
  };
}

/** Returns the beginning of a text without what could steer a terminal. */
function printable(text: string): string {
  const start = text.slice(0, 80).replace(/\p{C}/gu, " ").trim();
  return text.length > 80 ? `${start}…` : start;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nobody of the group is left, or there are no groups here.
    child.kill(signal);
  }
}

/** Resolves when the process is over; whatever it has left behind is ended as well. */
function watchEnd(child: ChildProcess, { onEnd }: ProcessEvents): Promise<void> {
  return new Promise((resolve) => {
    let how = "";
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      killGroup(child, "SIGKILL");
      child.stdout?.destroy();
      onEnd(how);
      resolve();
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      how = error.code === "ENOENT" ? "its command was not found" : error.message;
      over();
    });
    child.once("exit", (code, signal) => {
      how = signal === null ? `exit code ${code}` : signal;
      killGroup(child, "SIGKILL");
      // A process that left the group may hold stdout open: what has been written is read, and no more is waited for.
      setTimeout(over, GRACE).unref();
    });
    child.once("close", over);
    // One that answers no more is over.
    child.stdout?.once("end", () => setTimeout(() => killGroup(child, "SIGKILL"), GRACE).unref());
  });
}
