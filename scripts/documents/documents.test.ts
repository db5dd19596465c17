import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { writtenPages } from "../../docs/.vitepress/written-pages.ts";
import { problemsOfBlock, toExamples } from "./check-block.ts";
import { problemsOfMention } from "./check-commands.ts";
import { problemOfLink } from "./check-links.ts";
import { problemsOfMentionedRequest } from "./check-requests.ts";
import { compileExamples } from "./compile-examples.ts";
import { readDocument } from "./read-document.ts";

// Every Markdown document that users read: its code is right, and its links lead somewhere.

const root = join(import.meta.dirname, "../..");
const documents = [
  "README.md",
  "AGENTS.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "packages/cli/template/README.md",
  ...["packages", "examples"].flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${folder}/${name}/README.md`),
  ),
  ...writtenPages().map((path) => `docs/${path}`),
].map((path) => ({ path, ...readDocument(readFileSync(join(root, path), "utf8")) }));

let wrong: Record<string, string[]>;
beforeAll(() => {
  // The documentation's package has all that documents import.
  const examples = documents.flatMap(({ path, blocks }) =>
    blocks.flatMap((block) => toExamples(path, block)),
  );
  wrong = compileExamples({ root: join(root, "docs"), examples, continued: true });
}, 120_000);

describe.each(documents.map((document) => [document.path, document] as const))("%s", (path, document) => {
  const { blocks, codes, links } = document;

  it.each(blocks.map((block) => [block.line, block.language, block] as const))(
    "has at line %i right code: %s",
    (line, _, block) => expect([...problemsOfBlock(block), ...(wrong[`${path}:${line}`] ?? [])]).toEqual([]),
  );

  it("names commands and routes that are there", () => {
    const problems = codes.flatMap(({ line, text }) =>
      [...problemsOfMention(text), ...problemsOfMentionedRequest(text)].map(
        (each) => `${path}:${line}: ${each}`,
      ),
    );
    expect(problems).toEqual([]);
  });

  it("has no broken link", () => {
    const problems = links.flatMap(({ line, text }) => {
      const problem = problemOfLink(path, text);
      return problem === undefined ? [] : [`${path}:${line}: ${problem}`];
    });
    expect(problems).toEqual([]);
  });
});
