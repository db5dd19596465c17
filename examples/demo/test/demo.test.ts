import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

it("shows the whole loop, ends by itself and leaves nothing behind", async () => {
  const temporary = await mkdtemp(join(tmpdir(), "demo-test-"));
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", import.meta.resolve("tsx"), main],
      {
        env: { ...process.env, TMPDIR: temporary, STRIPE_API_KEY: "" },
      },
    );
    expect(stdout).toContain("api_calls        12");
    expect(stdout).toContain("stripeConfigured: false");
    for (const code of ["missing_token", "invalid_token", "insufficient_scope"])
      expect(stdout).toContain(code);
    expect(stdout).toMatch(/All figures are right\./);
    expect(stdout).not.toMatch(/AGT-[\w-]{20}/);
    // The TypeScript loader keeps a cache of its own there; everything of the demo's is gone.
    const left = (await readdir(temporary)).filter((name) => !name.startsWith("tsx-"));
    expect(left).toEqual([]);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
});
