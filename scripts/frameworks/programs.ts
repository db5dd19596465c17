import { readFileSync } from "node:fs";
import { join } from "node:path";

const compat = join(import.meta.dirname, "../../packages/mcp/compat");

/**
 * The part of a framework's program, or of a host's below `hosts/`, that the documentation shows; all of it, where it
 * marks none.
 */
export function programRegion(path: string): string {
  const program = readFileSync(join(compat, path.startsWith("hosts/") ? "" : "frameworks", path), "utf8");
  const marked = /^\/\/ #region \w+\n(.*?)^\/\/ #endregion$/ms.exec(program)?.[1] ?? program;
  return `${marked.trimEnd()}\n`;
}
