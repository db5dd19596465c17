import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openEmbeddedDatabase } from "../../src/store/embedded.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A data directory with an empty database, to be copied. */
    readonly emptyDatabase: string;
  }
}

/** Makes an empty embedded database once: each test that makes one of its own waits for three seconds. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "licentric-empty-"));
  const db = await openEmbeddedDatabase(directory);
  await db.close();
  project.provide("emptyDatabase", directory);
  return () => rm(directory, { recursive: true, force: true });
}
