import { access } from "node:fs/promises";

/** Checks whether there is a file or directory at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
