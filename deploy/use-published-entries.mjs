import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/**
 * Has each package's manifest name what is built, as it does when it is published: `pnpm deploy` leaves the entries as
 * they are for who works on the sources. For the build of the image, in its own copy of the sources.
 */
for (const name of readdirSync("packages")) {
  const file = `packages/${name}/package.json`;
  const { publishConfig = {}, ...manifest } = JSON.parse(readFileSync(file, "utf8"));
  const { exports, bin } = publishConfig;
  writeFileSync(file, JSON.stringify({ ...manifest, ...(exports && { exports }), ...(bin && { bin }) }));
}
