import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { licenceTable, problemsOfLicences } from "./licences.ts";
import { fieldsOf, problemsOfRelease, repositoryOf, writeRepository } from "./repository.ts";

const URL_OF_OURS = "git+https://github.com/acme/licentric.git";

describe("a release", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "licentric-release-test-"));
    for (const name of ["sdk", "bench"]) mkdirSync(join(root, "packages", name), { recursive: true });
    write("packages/sdk", { name: "@licentric/sdk", version: "1.0.0", license: "MIT" });
    write("packages/bench", { name: "bench", version: "1.0.0", private: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const write = (directory: string, manifest: object) =>
    writeFileSync(join(root, directory, "package.json"), JSON.stringify(manifest));

  it("is refused until the repository's address is filled in", () => {
    write("", { repository: { type: "git", url: "" } });
    expect(problemsOfRelease(root)).toEqual([expect.stringContaining("fill in repository.url")]);
    expect(() => writeRepository(root)).toThrow("fill in repository.url");
  });

  it.each([
    "https://github.com/acme/licentric",
    "git+ssh://git@github.com/acme/licentric.git",
    "acme/licentric",
  ])("is refused with the address %s", (url) =>
    expect(() => repositoryOf({ repository: { url } })).toThrow("is not of the form"),
  );

  it("is refused while a package does not name the repository, and has no version", () => {
    write("", { repository: { url: URL_OF_OURS } });
    expect(problemsOfRelease(root)).toEqual([
      expect.stringContaining("packages/sdk/package.json names no repository"),
    ]);
    write("packages/sdk", { version: "0.0.0", repository: { url: URL_OF_OURS } });
    expect(problemsOfRelease(root)).toEqual([expect.stringContaining("has no version yet")]);
  });

  it("has the address in each published package, from the one place", () => {
    write("", { repository: { url: URL_OF_OURS } });
    writeRepository(root);
    expect(problemsOfRelease(root)).toEqual([]);
    const written = JSON.parse(readFileSync(join(root, "packages/sdk/package.json"), "utf8"));
    expect(written).toEqual({
      name: "@licentric/sdk",
      version: "1.0.0",
      license: "MIT",
      ...fieldsOf(URL_OF_OURS, "packages/sdk"),
    });
    expect(written.homepage).toBe("https://github.com/acme/licentric/tree/main/packages/sdk#readme");
    expect(readFileSync(join(root, "packages/bench/package.json"), "utf8")).not.toContain("github");
  });
});

describe("the licences of a release", () => {
  const component = (name: string, ...licenses: object[]) => ({ name, version: "1.0.0", licenses });

  it("are allowed one by one, and of a choice one is enough", () => {
    const components = [
      component("a", { license: { id: "MIT" } }),
      component("b", { expression: "(GPL-3.0-only OR Apache-2.0)" }),
      component("c", { expression: "MIT AND BSD-3-Clause" }),
    ];
    expect(problemsOfLicences(components)).toEqual([]);
    expect(licenceTable(components)).toContain("| b@1.0.0 | (GPL-3.0-only OR Apache-2.0) |");
  });

  it("are told of where they are not allowed, or missing", () => {
    const components = [
      component("a", { license: { id: "AGPL-3.0-only" } }),
      component("b", { expression: "MIT AND GPL-3.0-only" }),
      component("c"),
      component("d", { license: { name: "SEE LICENSE IN LICENSE" } }),
    ];
    expect(problemsOfLicences(components)).toEqual([
      "a@1.0.0 has the licence AGPL-3.0-only",
      "b@1.0.0 has the licence MIT AND GPL-3.0-only",
      "c@1.0.0 names no licence",
      "d@1.0.0 has the licence SEE LICENSE IN LICENSE",
    ]);
  });
});
