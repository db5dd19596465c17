import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { GateConfig } from "./gate-config.ts";
import { parseConfig } from "./parse-config.ts";

/** A file that was read. */
export interface ConfigFile {
  /** Its path. */
  readonly path: string;
  /** The text in it. */
  readonly text: string;
  /** The prices and settings that it says. */
  readonly config: GateConfig;
}

/**
 * Reads the file.
 *
 * @param path - its path
 * @throws GateConfigError which tells everything that is wrong in it, by line and column
 * @throws Error of the file system where it cannot be read
 */
export async function readConfig(path: string): Promise<ConfigFile> {
  const text = await readFile(path, "utf8");
  return { path, text, config: parseConfig(text, path) };
}

/** Hears of changes of a file. */
export interface ConfigListener {
  /** Is given what a changed file says. */
  changed(config: GateConfig): void;
  /** Is told why a changed file is not taken: a GateConfigError, or what `changed` threw. */
  refused(error: unknown): void;
}

/** Milliseconds that an editor may take from the first of its writes to the last. */
const SETTLE = 100;

/**
 * Watches a file: each time that it says something else, the listener hears of it. Its folder is watched, because editors
 * put another file in its place.
 *
 * @param read - the file as it was read, from which changes count
 * @returns the function that ends it
 * @throws Error of the file system where the folder cannot be watched
 */
export function watchConfig({ path, text: begun }: ConfigFile, listener: ConfigListener): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  let last = begun;
  const look = async (): Promise<void> => {
    // There is none for a moment while it is replaced.
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (isOver || text === undefined || text === last) return;
    last = text;
    try {
      listener.changed(parseConfig(text, path));
    } catch (error) {
      listener.refused(error);
    }
  };
  const watcher = watch(dirname(path), { persistent: false }, (_, name) => {
    if (name !== null && name !== basename(path)) return;
    clearTimeout(timer);
    timer = setTimeout(() => void look(), SETTLE);
  });
  watcher.on("error", listener.refused);
  // It may have changed since it was read.
  void look();
  return () => {
    isOver = true;
    clearTimeout(timer);
    watcher.close();
  };
}
