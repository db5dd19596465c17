import { cp, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { usageError } from "../exit-codes.ts";
import { packageDirectory, packageVersion } from "../package-directory.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";

const template = fileURLToPath(new URL("template/", packageDirectory));

/** The name in the template, which every new folder replaces with its own. */
const NAME = "my-paid-server";

/**
 * The version of our own packages that the template asks for; a new folder gets the release that wrote it.
 */
const RELEASE = "^0.0.0";

const FILES = [
  ".gitignore",
  "README.md",
  "package.json",
  "src/call.ts",
  "src/client.ts",
  "src/main.ts",
  "src/server.ts",
  "test/server.test.ts",
  "tsconfig.json",
];

/** `licentric init`: writes the starter, an MCP server with one paid tool. */
export function initCommand(): Command {
  return new Command("init")
    .argument("[directory]", "a new or empty folder", NAME)
    .addOption(jsonOption())
    .action(async (directory: string, options: OutputOptions) => {
      const written = await writeStarter(resolve(directory));
      print(
        options,
        written,
        () =>
          `Wrote ${written.directory}.\n\nNext:\n\n  cd ${directory}\n  npm install\n  npm test          # makes paid calls, on an API of its own\n  npm run dev       # the API, and the server beside it\n\nREADME.md says how to go on.\n`,
      );
    });
}

async function writeStarter(directory: string): Promise<{ directory: string; files: readonly string[] }> {
  const there = await readIfThere(directory);
  if (there.length > 0) {
    throw usageError(`${directory} is not empty, and nothing is overwritten. Name a new folder.`);
  }
  const name = packageName(basename(directory));
  await mkdir(directory, { recursive: true });
  await cp(template, directory, { recursive: true });
  // npm leaves files of this name out of packages, so the template has it under another.
  await rename(join(directory, "gitignore"), join(directory, ".gitignore"));
  for (const file of ["package.json", "README.md", "src/server.ts"]) {
    const path = join(directory, file);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replaceAll(NAME, name).replaceAll(RELEASE, `^${packageVersion()}`));
  }
  return { directory, files: FILES };
}

async function readIfThere(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return [];
    if (code === "ENOTDIR") throw usageError(`${directory} is a file. Name a new folder.`);
    throw error;
  }
}

/** A folder's name as npm takes it for a package. */
function packageName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+|-+$/g, "");
  return name === "" ? NAME : name;
}
