import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { problemsOfBlock, toExamples } from "./check-block.ts";
import { problemsOfMention } from "./check-commands.ts";
import { problemOfLink } from "./check-links.ts";
import { problemsOfMentionedRequest } from "./check-requests.ts";
import { compileExamples } from "./compile-examples.ts";
import { readDocument } from "./read-document.ts";
import { commandsIn } from "./shell-commands.ts";

const problems = (language: string, text: string) => problemsOfBlock({ language, text, line: 1 }).join("\n");

describe("a block of commands", () => {
  it.each([
    'npx licentric agents create "Travel planner" # a comment',
    "npx -y licentric authorize <agent id> --scope mcp:invoke --expires-in 12h",
    "export LICENTRIC_API_KEY=… A=b && npx licentric dev --port 0 | cat",
    "npx licentric budgets create 0198a1f2 \\\n  --limit 1000 --window day",
    "source <(licentric completion bash)",
    "npx @licentric/gate --port 0 -- uvx some-server --flag",
    "npx -y pnpm@10 --silent example stdio",
    "npx -y pnpm@10 --filter @licentric/sdk run api:update",
    'curl -H "Authorization: Bearer $KEY" "$LICENTRIC_BASE_URL/api/v1/billing/invoices/$ID/html"',
    "curl -X POST http://127.0.0.1:4242/api/v1/mcp/verify",
  ])("may have %s", (command) => expect(problems("sh", command)).toBe(""));

  it.each([
    ["npx licentric agents create X --nmae Y", "unknown option '--nmae'"],
    ["npx licentric agent list", "unknown command 'agent'"],
    ["npx licentric agents suspend", "missing required argument 'agent'"],
    ["npx licentric agents", "outputHelp"],
    ["npx licentric invoice credit 0198a1f2", "required option '--amount <decimal>' not specified"],
    ["npx licentric budgets create 0198a1f2 --limit many", "whole number"],
    ["npx licentric close a b", "too many arguments"],
    ["npx licentric agents create Travel planner", "too many arguments"],
    ["export KEY=1; source <(licentric completions bash)", "unknown command 'completions'"],
    ['export KEY="$(licentric keys creat)"', "unknown command 'creat'"],
    ["npx licentrics dev", "not licentrics"],
    ["npx @licentric/gate --prot 0", "unknown option '--prot'"],
    ["npx -y pnpm@10 demos", "no script demos"],
    ["npx -y pnpm@10 example nowhere", "no example nowhere"],
    ["npx -y pnpm@10 --filter @licentric/sdk run api:updat", "no script api:updat"],
    ["npx -y pnpm@10 --filter @licentric/nothing run api:update", "no package @licentric/nothing"],
    ["npm instal licentric", "npm instal"],
    ["npm install licentric @licentric/mpc", "no package @licentric/mpc"],
    ["creatdb licentric", "creatdb is not in the list"],
    ["curl http://127.0.0.1:4242/health", "no route GET /health"],
    ["curl http://127.0.0.1:4242/api/v1/mcp/verify", "no route GET /api/v1/mcp/verify"],
    ["npx licentric dev > log", "cannot be read: > log"],
    ['npx licentric agents create "Travel', 'cannot be read: "Travel'],
  ])("may not have %s", (command, problem) => expect(problems("sh", command)).toContain(problem));

  it("is read as a shell reads it", () => {
    expect(commandsIn('A=1 b \'c d\' "e \\" f"g\\ h; i#j <k l> # m\nn "$(o p)"')).toEqual([
      ["A=1", "b", "c d", 'e " fg h'],
      ["i#j", "<k l>"],
      ["n", "$(o p)"],
      ["o", "p"],
    ]);
  });
});

describe("a block of another language", () => {
  it.each([
    ["json", '{ "a": 1 }'],
    ["http", "POST /mcp HTTP/1.1\nHost: weather.example.com"],
    ["http", 'HTTP/1.1 403 Forbidden\nContent-Type: application/json\n\n{ "a": 1 }'],
    ["text", "anything"],
  ])("may be %s: %s", (language, text) => expect(problems(language, text)).toBe(""));

  it.each([
    ["json", '{ "a": 1, }', "SyntaxError"],
    ["json", '{\n  "tools": { "a": "fre" }\n}', "licentric.gate.json:2:14: tools.a"],
    ["http", "POST /api/v1/mcp/verfiy HTTP/1.1", "no route POST /api/v1/mcp/verfiy"],
    ["http", "POST /mcp", "no request, no answer"],
    ["http", "HTTP/1.1 403 Forbiden", "no request, no answer"],
    ["http", "POST /mcp HTTP/1.1\nHost weather.example.com", "no header"],
    ["http", "POST /mcp HTTP/1.1\nHost: a\n\n{ a: 1 }", "SyntaxError"],
    ["python", "pass", "nothing checks python"],
    ["", "npx licentric dev", "has no label"],
  ])("may not be %s: %s", (language, text, problem) => expect(problems(language, text)).toContain(problem));
});

describe("code in prose", () => {
  it.each(["licentric agents suspend", "licentric <command> --help", "TOKEN=$(licentric authorize <agent>)"])(
    "may name %s",
    (code) => expect(problemsOfMention(code)).toEqual([]),
  );

  it.each(["licentric agents stop", "A=1 licentric keys create --scop", "pnpm demos", "npx licentric devel"])(
    "may not name %s",
    (code) => expect(problemsOfMention(code)).toHaveLength(1),
  );

  it("names routes that are there", () => {
    expect(problemsOfMentionedRequest("GET /api/v1/agents/:agentId")).toEqual([]);
    expect(problemsOfMentionedRequest("GET /api/v1/agent/:agentId")).toHaveLength(1);
  });
});

it("TypeScript compiles, and goes on where the document's earlier blocks end", { timeout: 60_000 }, () => {
  const document = (...blocks: string[]) =>
    blocks.map((block) => `# Title\n\n\`\`\`${block}\n\`\`\`\n`).join("\n");
  const files = {
    "right.md": document(
      'ts\nimport {\n  Licentric,\n} from "@licentric/sdk";\n\nconst client = new Licentric();',
      "ts\nconst [meter] = (await client.meters.list()).data;\nconsole.log(meter?.name);",
      'json\n{ "content": [{ "type": "text", "text": "hi" }], "_meta": {} }',
    ),
    "wrong.md": document(
      "ts\n\nawait client.meters.list();", // which no earlier block of this document makes
      'ts\nimport { createPaywall } from "@licentric/mcp";\n\ncreatePaywall({ timeOut: 1 });',
      'json\n{ "content": [], "_meta": { "com.licentric/refusal": { "code": "mising_token" } } }',
    ),
  };
  const root = join(import.meta.dirname, "../../docs");
  const compiled = (documents: Record<string, string>) => {
    const examples = Object.entries(documents).flatMap(([file, text]) =>
      readDocument(text).blocks.flatMap((block) => toExamples(file, block)),
    );
    return compileExamples({ root, examples, continued: true });
  };
  expect(compiled(files)).toEqual({
    "wrong.md:3": ["line 5: Cannot find name 'client'."],
    "wrong.md:10": [expect.stringMatching(/^line 13: [\s\S]*'timeOut' does not exist/)],
    "wrong.md:18": [expect.stringMatching(/^line 19: [\s\S]*"mising_token"/)],
  });
  expect(compiled({ "wrong.md": document("ts\nif (") })).toEqual({
    "wrong.md:3": [expect.stringMatching(/^line \d+: .*expected/)],
  });
});

it("links lead to files, pages and anchors that are there", () => {
  for (const [document, link] of [
    ["README.md", "docs/index.md"],
    ["README.md", "examples"],
    ["README.md", "https://example.com"],
    ["README.md", "#bill-a-month"],
    ["docs/guides/gate.md", "./budgets.md#the-hard-block"],
    ["docs/guides/gate.md", "../reference/"],
    ["docs/guides/gate.md", "../reference/errors.md#anything"],
  ] as const)
    expect(problemOfLink(document, link)).toBeUndefined();

  for (const [document, link] of [
    ["README.md", "docs/indx.md"],
    ["README.md", "#bill-a-year"],
    ["docs/guides/gate.md", "./budgets.md#the-soft-block"],
    ["docs/guides/gate.md", "./budgets"],
    ["docs/guides/gate.md", "../reference/nothing.md"],
    ["docs/guides/gate.md", "../../README.md"],
  ] as const)
    expect(problemOfLink(document, link), link).toContain(link);
});

it("a document is read with its lines, and with the anchors that work on the site and on GitHub", () => {
  const { blocks, codes, links, anchors } = readDocument(
    "# A `b` & c\n\nSee `d`\nand [e](f.md#g), not `[h](i.md)`.\n\n- j\n\n  ```sh\n  k\n  ```\n\nl:\n\n    m\n\n## It's\n\n## N\n\n## N\n",
  );
  expect(blocks).toEqual([
    { language: "sh", line: 8, text: "k\n" },
    { language: "", line: 14, text: "m\n" },
  ]);
  expect(codes).toEqual([
    { line: 1, text: "b" },
    { line: 3, text: "d" },
    { line: 3, text: "[h](i.md)" },
  ]);
  expect(links).toEqual([{ line: 3, text: "f.md#g" }]);
  expect([...anchors]).toEqual(["n", "n-1"]);
});
