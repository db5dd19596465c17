import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { compileExamples, examplesOf } from "./compile-examples.ts";

const root = dirname(import.meta.dirname);
const documents = ["README.md", ...["packages", "examples"].flatMap((folder) => readmesIn(folder))];

function readmesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}/README.md`);
}

describe.each(documents)("%s", (document) => {
  const path = join(root, document);

  it("has only code that compiles", { timeout: 60_000 }, () => {
    // The front page's imports are those of a user who installed both packages.
    const from = document === "README.md" ? join(root, "examples/demo/src") : join(dirname(path), "src");
    const globals = join(dirname(path), "test/example-globals.d.ts");
    const examples = examplesOf(path, root);
    expect(compileExamples({ root: from, examples, ...(existsSync(globals) && { globals }) })).toEqual({});
  });

  it("has no broken link inside the repository", () => {
    const links = [...readFileSync(path, "utf8").matchAll(/\]\((?!https?:)([^)#]+)/g)].map(
      ([, link = ""]) => link,
    );
    expect(links.filter((link) => !existsSync(join(dirname(path), link)))).toEqual([]);
  });
});
