import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../../packages/mcp/compat/frameworks");

/** The part of a framework's program that its page in the documentation shows; all of it, where it marks none. */
export function programRegion(path: string): string {
  const program = readFileSync(join(folder, path), "utf8");
  const marked = /^\/\/ #region server\n(.*?)^\/\/ #endregion$/ms.exec(program)?.[1] ?? program;
  return `${marked.trimEnd()}\n`;
}
