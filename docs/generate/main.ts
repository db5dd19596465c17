import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { reference } from "../.vitepress/pages.ts";

/** Writes `docs/reference/` anew out of the sources. */
const docs = dirname(import.meta.dirname);

rmSync(join(docs, "reference"), { recursive: true, force: true });
for (const { path, title } of reference.pages) {
  const file = join(docs, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `# ${title}\n`);
}
