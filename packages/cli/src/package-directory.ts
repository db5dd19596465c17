import { readFileSync } from "node:fs";

/** The package's directory: this file is one folder below it, in `src` as in `dist`. */
export const packageDirectory = new URL("../", import.meta.url);

/** The version of this package, which all packages of a release share. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("package.json", packageDirectory), "utf8"));
  const found = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return found ? String(manifest.version) : "unknown";
}
