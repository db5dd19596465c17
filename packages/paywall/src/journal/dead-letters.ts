import { mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./segment-writer.ts";

/** The file in which what a sub-journal could not bill is kept: JSON, one object a line. */
export function deadLetterFile(directory: string, subJournal: string): string {
  return join(directory, "rejected", `${subJournal}.jsonl`);
}

/**
 * Keeps records in a dead-letter file, on disk before it resolves. After a crash a record may be in it twice: tell
 * them apart by the event's idempotency key.
 */
export async function keepDeadLetters(path: string, records: readonly object[]): Promise<void> {
  const folder = join(path, "..");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = await open(path, "a+", 0o600);
  try {
    const { size } = await file.stat();
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join("");
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    // A crash may have cut the last line short: a new line then keeps it from being glued to ours.
    const separator = size > 0 && buffer[0] !== 0x0a ? "\n" : "";
    try {
      await file.appendFile(separator + text);
      await file.datasync();
    } catch (error) {
      await file.truncate(size);
      throw error;
    }
  } finally {
    await file.close();
  }
  await syncDirectory(folder);
}
