import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { compileExamples, examplesOf } from "../../../scripts/documents/compile-examples.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

it("compiles every example of the public doc comments", { timeout: 60_000 }, () => {
  const examples = ["src/create-paywall.ts", "src/fastify/fastify-plugin.ts"].flatMap((name) =>
    examplesOf(join(root, name), root),
  );
  expect(examples.length).toBeGreaterThanOrEqual(5);
  expect(compileExamples({ root: join(root, "test"), examples, implied: [] })).toEqual({});
});
