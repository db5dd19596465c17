import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The fields of a manifest that say where its sources are. */
export interface RepositoryFields {
  readonly repository: { readonly type: "git"; readonly url: string; readonly directory: string };
  readonly homepage: string;
  readonly bugs: string;
}

/**
 * The address of the repository, as the root `package.json` has it: the one place that says it.
 *
 * @throws Error where it is not filled in, or is no address of GitHub's over HTTPS
 */
export function repositoryOf(rootManifest: { readonly repository?: { readonly url?: string } }): string {
  const url = rootManifest.repository?.url ?? "";
  if (url === "") {
    throw new Error(
      'The repository has no address: fill in repository.url in the root package.json, for example "git+https://github.com/acme/licentric.git". Provenance names it, so nothing is published without.',
    );
  }
  if (!/^git\+https:\/\/github\.com\/[\w.-]+\/[\w.-]+\.git$/.test(url)) {
    throw new Error(`"${url}" is not of the form git+https://github.com/<owner>/<name>.git.`);
  }
  return url;
}

/** The fields of a package in the repository's folder of that name. */
export function fieldsOf(url: string, directory: string): RepositoryFields {
  const page = url.replace(/^git\+/, "").replace(/\.git$/, "");
  return {
    repository: { type: "git", url, directory },
    homepage: `${page}/tree/main/${directory}#readme`,
    bugs: `${page}/issues`,
  };
}

/** Writes the repository's address into every package that is published. */
export function writeRepository(root: string): void {
  const url = repositoryOf(readManifest(join(root, "package.json")));
  for (const directory of packageDirectories(root)) {
    const file = join(root, directory, "package.json");
    const { name, version, description, license, ...rest } = readManifest(file);
    const manifest = { name, version, description, license, ...rest, ...fieldsOf(url, directory) };
    writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

/** Lists what keeps the packages from being published: each names the repository that they are built in. */
export function problemsOfRelease(root: string): string[] {
  let url: string;
  try {
    url = repositoryOf(readManifest(join(root, "package.json")));
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  return packageDirectories(root).flatMap((directory) => {
    const { repository, version } = readManifest(join(root, directory, "package.json"));
    return [
      ...(repository?.url === url ? [] : [`${directory}/package.json names no repository, or another one`]),
      ...(version === "0.0.0" ? [`${directory}/package.json has no version yet`] : []),
    ].map((problem) => `${problem}: run \`pnpm release:version\` and commit what it writes.`);
  });
}

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly description?: string;
  readonly license?: string;
  readonly private?: boolean;
  readonly repository?: { readonly url?: string };
}

function readManifest(file: string): Manifest {
  return JSON.parse(readFileSync(file, "utf8"));
}

function packageDirectories(root: string): string[] {
  return readdirSync(join(root, "packages"))
    .map((name) => `packages/${name}`)
    .filter((directory) => readManifest(join(root, directory, "package.json")).private !== true);
}
