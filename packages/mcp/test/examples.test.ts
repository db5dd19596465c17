import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { compileExamples, examplesOf, takenForGranted } from "../../../scripts/documents/compile-examples.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

it("compiles every example of the public doc comments", { timeout: 60_000 }, () => {
  const examples = ["src/paywall.ts", "src/protocol.ts", "src/testing.ts"].flatMap((name) =>
    examplesOf(join(root, name), root),
  );
  expect(examples.length).toBeGreaterThanOrEqual(6);
  const folder = join(root, "test");
  expect(compileExamples({ root: folder, examples, implied: [takenForGranted(folder)] })).toEqual({});
});
