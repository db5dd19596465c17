import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes the version that `changeset version` gave to all packages where their sources say it. */
const root = new URL("../..", import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(join(root, "packages/sdk/package.json"), "utf8"));

for (const file of [
  "packages/paywall/src/telemetry.ts",
  "packages/sdk/etc/sdk.api.md",
  "packages/sdk/src/version.ts",
  "packages/server/src/version.ts",
]) {
  const text = readFileSync(join(root, file), "utf8");
  const written = text.replace(/^((?:export )?const version = )"[^"]+";$/im, `$1"${version}";`);
  if (!written.includes(` = "${version}";`)) throw new Error(`${file} says no version.`);
  writeFileSync(join(root, file), written);
}
