import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { compileExamples, examplesOf } from "../../../scripts/documents/compile-examples.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

it("compiles every example of the public doc comments", () => {
  const examples = examplesOf(join(root, "src/start-gate.ts"), root);
  expect(examples.length).toBeGreaterThan(0);
  expect(compileExamples({ root: join(root, "test"), examples })).toEqual({});
});
