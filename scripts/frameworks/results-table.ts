import { readFileSync } from "node:fs";
import { join } from "node:path";

const file = join(import.meta.dirname, "../../packages/mcp/compat/results.json");

/** What `pnpm compat` has found of a framework. */
interface Result {
  readonly name: string;
  /** Its page, below `docs/frameworks/`. */
  readonly page: string;
  readonly version: string;
  /** What its server is charged by, with the options that it needs. */
  readonly charged: string;
  /** The version of Node, or the runtime, that ran it. */
  readonly runtime: string;
  /** How many of the cases went right, by the client's SDK; undefined where the framework does not serve it. */
  readonly passed: { readonly v1?: number; readonly v2?: number };
  readonly cases: number;
}

/** The table of the documentation that says where the paywall runs. */
export function resultsTable(): string {
  const results: readonly Result[] = JSON.parse(readFileSync(file, "utf8"));
  const rows = results.map(({ name, page, version, charged, runtime, passed, cases }) => [
    `[${name}](./${page}.md)`,
    version,
    charged,
    runtime,
    ...[passed.v1, passed.v2].map((count) => (count === undefined ? "not served" : `${count} of ${cases}`)),
  ]);
  const header = ["framework", "version", "charged by", "run on", "client v1", "client v2"];
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
