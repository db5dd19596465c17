import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesIn } from "./make-once.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The folders of all packages, each after those that it depends on. */
export const packageFolders: readonly string[] = [
  "contract",
  "sdk",
  "paywall",
  "mcp",
  "gate",
  "server",
  "console",
  "cli",
];

/** Where a package is, given by its folder. */
export function packageDirectory(folder: string): string {
  return join(root, "packages", folder);
}

/** Every file that packages are built of and that goes into them. */
export function packageSources(folders: readonly string[] = packageFolders): string[] {
  const own = folders.map(packageDirectory).flatMap((directory) => {
    const path = (name: string) => join(directory, name);
    return [
      ...filesIn(...["src", "template", "pages"].map(path).filter((folder) => existsSync(folder))),
      ...["package.json", "tsup.config.ts", "README.md", "LICENSE", "licentric.gate.schema.json"]
        .map(path)
        .filter((file) => existsSync(file)),
    ];
  });
  return [...["pnpm-lock.yaml", "tsconfig.base.json"].map((name) => join(root, name)), ...own];
}
