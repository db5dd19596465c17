import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildOpenApi, routes } from "@licentric/contract";
import { version } from "../../packages/server/src/version.ts";
import { reference } from "../.vitepress/pages.ts";
import { writeCodeReference } from "./code.ts";
import { commandLinePage } from "./command-line.ts";
import { configurationPage } from "./configuration.ts";
import { errorsPage } from "./errors.ts";
import { httpApiPages } from "./http-api.ts";

/** Writes `docs/reference/` and `docs/public/openapi.json` anew, out of the sources. */
const docs = dirname(import.meta.dirname);
const out = join(docs, "reference");

rmSync(out, { recursive: true, force: true });
const project = await writeCodeReference(docs, out);

const pages = {
  "errors.md": errorsPage(project),
  "configuration.md": configurationPage(),
  "command-line.md": commandLinePage(),
  ...Object.fromEntries(Object.entries(httpApiPages()).map(([name, page]) => [join("http", name), page])),
};
mkdirSync(join(out, "http"), { recursive: true });
for (const [path, page] of Object.entries(pages)) writeFileSync(join(out, path), page);

mkdirSync(join(docs, "public"), { recursive: true });
writeFileSync(
  join(docs, "public/openapi.json"),
  JSON.stringify(buildOpenApi(routes, { title: "Licentric API", version })),
);

const missing = reference.pages.filter(({ path }) => !existsSync(join(docs, path)));
if (missing.length > 0) throw new Error(`Not generated: ${missing.map(({ path }) => path).join(", ")}`);
