import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startStripeStandIn } from "../../../packages/server/test/support/stripe-stand-in.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "demo-test-"));
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

/** Runs the demo and answers what it printed; a wrong figure makes it exit with an error, and so this fails. */
async function demo(env: Record<string, string>): Promise<string> {
  const args = ["--import", import.meta.resolve("tsx"), main];
  const options = { env: { ...process.env, TMPDIR: temporary, ...env } };
  return (await promisify(execFile)(process.execPath, args, options)).stdout;
}

it("shows the whole loop, ends by itself and leaves nothing behind", async () => {
  const shown = await demo({ STRIPE_API_KEY: "" });
  expect(shown).toMatch(/api_calls +12 +12/);
  expect(shown).toContain("stripeConfigured: false");
  for (const code of ["missing_token", "invalid_token", "insufficient_scope"]) expect(shown).toContain(code);
  expect(shown).toMatch(/All figures are right\./);
  expect(shown).not.toMatch(/AGT-[\w-]{20}/);
  // The TypeScript loader keeps a cache of its own there; everything of the demo's is gone.
  expect((await readdir(temporary)).filter((name) => !name.startsWith("tsx-"))).toEqual([]);
});

it("makes a real invoice where a Stripe test key is set", async () => {
  const stripe = await startStripeStandIn();
  try {
    const shown = await demo({ STRIPE_API_KEY: "sk_test_standin", STRIPE_BASE_URL: stripe.url });
    expect(shown).toContain("stripeConfigured: true");
    expect(shown).toMatch(/hosted invoice +https:\/\//);
  } finally {
    await stripe.close();
  }
});
