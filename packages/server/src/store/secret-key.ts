import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./data-directory.ts";
import { writeWhole } from "./durable-files.ts";

/**
 * The secret key of a server with an embedded database, where none is configured: made on first use and kept beside
 * the data, readable by its owner alone. It is not part of a backup.
 */
export async function keepSecretKey(directory: string): Promise<string> {
  const file = join(directory, "secret-key");
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  // Nobody else makes one meanwhile: the directory is locked for this process.
  const key = randomBytes(32).toString("base64url");
  await writeWhole(file, key);
  return key;
}
