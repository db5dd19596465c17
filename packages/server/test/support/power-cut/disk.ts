import { randomInt } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Step } from "./journal.ts";

/** How much of what was not synced survives: nothing, or some of it by chance, as on a disk in use. */
export type Survival = "nothing" | "some";

/** A disk writes whole sectors. PostgreSQL counts on that, and on no more. */
const SECTOR = 512;

type Change = Extract<Step, { kind: "write" | "truncate" }>;

/** A file: what of it is on the disk, and what was done to it since. */
interface File {
  /** Where it was at the beginning, read when it is first needed. */
  readonly origin: string | null;
  synced: Buffer | null;
  pending: Change[];
}

/** A change of names: in which directory, for which entry, and what it does to the entries by path. */
interface Naming {
  readonly directory: string;
  readonly creates: string | null;
  readonly apply: (entries: Entries) => unknown;
}

type Entries = Map<string, File | "directory">;

/**
 * The disk under a directory, as a power cut leaves it. A file's content is as of its last sync. A new name is there
 * when its directory was synced, or the new file itself, as on ext4, XFS and Btrfs; other changes of names when their
 * directory was. Of what came later some survives by chance: of writes, any of their sectors; of names in one
 * directory, those up to any moment.
 */
export class Disk {
  readonly #directory: string;
  readonly #now: Entries = new Map();
  readonly #synced: Entries;
  readonly #changed = new Set<File>();
  readonly #began = new Map<string, { changes: number; namings: readonly Naming[] }>();
  #namings: Naming[] = [];

  private constructor(directory: string, entries: Entries) {
    this.#directory = directory;
    for (const [path, entry] of entries) this.#now.set(path, entry);
    this.#synced = entries;
  }

  /** A disk with what is in `copy`, all of it synced, under the name `directory`. */
  static async of(directory: string, copy: string): Promise<Disk> {
    const entries: Entries = new Map([[directory, "directory"]]);
    for (const entry of await readdir(copy, { recursive: true, withFileTypes: true })) {
      const origin = join(entry.parentPath, entry.name);
      const file: File = { origin, synced: null, pending: [] };
      entries.set(join(directory, origin.slice(copy.length)), entry.isDirectory() ? "directory" : file);
    }
    return new Disk(directory, entries);
  }

  /** Does what was done. */
  apply(step: Step): void {
    if (step.kind === "create") this.#name(step.path, { origin: null, synced: Buffer.alloc(0), pending: [] });
    else if (step.kind === "mkdir") this.#name(step.path, "directory");
    else if (step.kind === "remove") this.#remove(step.path);
    else if (step.kind === "rename") this.#rename(step.path, step.to);
    else if (step.kind === "sync-begin") this.#beginSync(step.path, step.process);
    else if (step.kind === "sync-end") this.#endSync(step.path, step.process);
    else this.#change(step);
  }

  #change(change: Change): void {
    const file = this.#now.get(change.path);
    // A file of C's buffered kind was made unseen, and is not needed after a crash.
    if (file === undefined || file === "directory") return;
    file.pending.push(change);
    this.#changed.add(file);
  }

  #name(path: string, entry: File | "directory"): void {
    this.#addNaming(dirname(path), path, (entries) => entries.set(path, entry));
    if (entry !== "directory") this.#changed.add(entry);
  }

  #remove(path: string): void {
    this.#addNaming(dirname(path), null, (entries) => entries.delete(path));
  }

  #rename(path: string, to: string): void {
    const moved = [...this.#now].filter(([each]) => each === path || each.startsWith(`${path}/`));
    this.#addNaming(dirname(to), null, (entries) => {
      for (const [old] of moved) entries.delete(old);
      for (const [old, entry] of moved) entries.set(to + old.slice(path.length), entry);
    });
    for (const [, entry] of moved) if (entry !== "directory") this.#changed.add(entry);
  }

  #addNaming(directory: string, creates: string | null, apply: (entries: Entries) => unknown): void {
    apply(this.#now);
    this.#namings.push({ directory, creates, apply });
  }

  #beginSync(path: string, process: number): void {
    const file = this.#now.get(path);
    const changes = file === undefined || file === "directory" ? 0 : file.pending.length;
    this.#began.set(`${process} ${path}`, { changes, namings: [...this.#namings] });
  }

  #endSync(path: string, process: number): void {
    const began = this.#began.get(`${process} ${path}`);
    const file = this.#now.get(path);
    if (began === undefined || file === undefined) return;
    // A file that is synced is found again: with it, its name and those of the directories above are on the disk, and
    // whatever was done to names in the same directory before.
    const last = new Map<string, number>();
    for (const [index, { directory, creates }] of began.namings.entries()) {
      const isIt = creates !== null && (creates === path || path.startsWith(`${creates}/`));
      if (isIt || (file === "directory" && directory === path)) last.set(directory, index);
    }
    const synced = new Set(
      began.namings.filter(({ directory }, index) => index <= (last.get(directory) ?? -1)),
    );
    for (const naming of this.#namings) if (synced.has(naming)) naming.apply(this.#synced);
    this.#namings = this.#namings.filter((naming) => !synced.has(naming));
    if (file === "directory") return;
    file.synced = written(content(file), file.pending.splice(0, began.changes), "all");
  }

  /** Writes what a power cut at this moment leaves into a directory, which is made out of the copy at the beginning. */
  async cutPower(copy: string, into: string, survival: Survival): Promise<void> {
    this.#loseNames(survival);
    await cp(copy, into, { recursive: true });
    const kept = new Set(
      [...this.#synced.keys()].map((path) => join(into, path.slice(this.#directory.length))),
    );
    for (const entry of await readdir(into, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!kept.has(path)) await rm(path, { recursive: true, force: true });
    }
    for (const [path, entry] of [...this.#synced].toSorted(([left], [right]) => (left < right ? -1 : 1))) {
      const target = join(into, path.slice(this.#directory.length));
      if (entry === "directory") await mkdir(target, { recursive: true, mode: 0o700 });
      else if (this.#changed.has(entry)) {
        await writeFile(target, written(content(entry), entry.pending, luck(survival)), { mode: 0o600 });
      }
    }
  }

  #loseNames(survival: Survival): void {
    for (const each of new Set(this.#namings.map(({ directory }) => directory))) {
      const namings = this.#namings.filter(({ directory }) => directory === each);
      const surviving = survival === "nothing" ? 0 : randomInt(namings.length + 1);
      for (const { apply } of namings.slice(0, surviving)) apply(this.#synced);
    }
  }
}

function content(file: File): Buffer {
  file.synced ??=
    file.origin === null || statSync(file.origin).size === 0 ? Buffer.alloc(0) : readFileSync(file.origin);
  return file.synced;
}

/** Whether something that was not synced survives; of one file, nothing, all or about half. */
function luck(survival: Survival): Survives {
  const chance = survival === "nothing" ? 0 : randomInt(3);
  return chance === 2 ? "all" : () => randomInt(2) < chance;
}

/** All of what was done to a file, or each sector, and each truncation, by itself. */
type Survives = "all" | (() => boolean);

/** What a file has after changes. It may be the bytes of before, written over. */
function written(before: Buffer, changes: readonly Change[], survives: Survives): Buffer {
  const room = changes.reduce((most, change) => Math.max(most, endOf(change)), before.length);
  // A file of the log grows by two thousand pages: room for all of them is made once.
  const bytes = room === before.length ? before : Buffer.concat([before], room);
  let size = before.length;
  for (const change of changes) {
    if (change.kind === "truncate") {
      if (survives !== "all" && !survives()) continue;
      if (change.size < size) bytes.fill(0, change.size, size);
      size = change.size;
      continue;
    }
    const { offset, data } = change;
    const all = [[offset, endOf(change)] as const];
    for (const [from, to] of survives === "all" ? all : sectorsOf(offset, endOf(change))) {
      if (survives !== "all" && !survives()) continue;
      if (typeof data === "number") bytes.fill(0, from, to);
      else data.copy(bytes, from, from - offset, to - offset);
      size = Math.max(size, to);
    }
  }
  return bytes.subarray(0, size);
}

/** The size that a file has after a change, at least. */
function endOf(change: Change): number {
  if (change.kind === "truncate") return change.size;
  return change.offset + (typeof change.data === "number" ? change.data : change.data.length);
}

function* sectorsOf(offset: number, end: number): Generator<readonly [number, number]> {
  for (let at = offset; at < end; ) {
    const next = Math.min(end, (Math.floor(at / SECTOR) + 1) * SECTOR);
    yield [at, next];
    at = next;
  }
}
