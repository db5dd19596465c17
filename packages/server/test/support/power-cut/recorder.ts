import { execFileSync, spawnSync } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Disk, type Survival } from "./disk.ts";
import { readJournal, type Step } from "./journal.ts";

/** Why what a process writes cannot be recorded here, or null. */
export function whyNotRecorded(): string | null {
  if (process.platform !== "linux") return "what a process writes is recorded on Linux alone";
  return spawnSync("cc", ["--version"]).status === 0 ? null : "this machine has no C compiler";
}

/** Records what processes write below a directory, and cuts its power. */
export class Recorder {
  readonly #directory: string;
  readonly #journal: string;
  readonly #library: string;

  /** @param home is where its own files go, outside of the directory; everybody may write there. */
  constructor(home: string, directory: string) {
    this.#directory = directory;
    this.#journal = join(home, "journal");
    this.#library = join(home, "record-writes.so");
    const source = join(import.meta.dirname, "record-writes.c");
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", this.#library, source, "-ldl"]);
  }

  /** The variables of a process that is to be recorded. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      RECORD_DIRECTORY: this.#directory,
      RECORD_JOURNAL: this.#journal,
    };
  }

  /** What has been recorded; the journal is then empty. */
  async take(): Promise<Step[]> {
    const steps = [...readJournal(await readFile(this.#journal))];
    await rm(this.#journal);
    return steps;
  }

  /**
   * Makes a directory with what a power cut left of another one.
   *
   * @param before is what was in it when the recording began.
   * @param steps are those until the cut.
   */
  async cutPower(before: string, steps: Iterable<Step>, into: string, survival: Survival): Promise<void> {
    const disk = await Disk.of(this.#directory, before);
    for (const step of steps) disk.apply(step);
    await disk.cutPower(before, into, survival);
  }
}
