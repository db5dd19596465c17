import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The secret key of a server with an embedded database, where none is configured: made on first use and kept beside
 * the data, readable by its owner alone. It is not part of a backup.
 */
export async function keepSecretKey(directory: string): Promise<string> {
  const file = join(directory, "secret-key");
  const key = randomBytes(32).toString("base64url");
  try {
    await writeFile(file, key, { flag: "wx", mode: 0o600 });
    return key;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    return (await readFile(file, "utf8")).trim();
  }
}
