import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { EXIT } from "./exit-codes.ts";
import { packageDirectory } from "./package-directory.ts";
import { createProgram, loadAllCommands } from "./program.ts";

const readme = readFileSync(new URL("README.md", packageDirectory), "utf8");

it("the README names every command and every subcommand", async () => {
  const { commands } = createProgram({}, await loadAllCommands());
  const cells = [...readme.matchAll(/^\| (`.*?) +\|/gm)].map(([, cell = ""]) => cell);
  for (const command of commands.filter((each) => each.name() !== "complete")) {
    const row = cells.find((cell) => new RegExp(`\`${command.name()}[ \`]`).test(cell));
    expect(row, command.name()).toBeDefined();
    for (const name of command.commands.map((each) => each.name())) {
      expect(row, `${command.name()} ${name}`).toMatch(new RegExp(`[ \`]${name}\``));
    }
  }
});

it("the README names every exit code, and no other", () => {
  const named = [...readme.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code));
  expect(named).toEqual(Object.values(EXIT));
});
