import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandLine, killRunning, licentric, run } from "./support/licentric.ts";

let directory: string;
let env: { PATH: string };
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-completion-"));
  // The scripts call the command by its name.
  const command = join(directory, "licentric");
  await writeFile(command, `#!/bin/sh\nexec ${commandLine.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  await chmod(command, 0o755);
  env = { PATH: `${directory}:${process.env["PATH"]}` };
});
afterAll(async () => {
  await killRunning();
  await rm(directory, { recursive: true, force: true });
});

const has = (shell: string) => spawnSync(shell, ["--version"]).status === 0;
const names = (text: string) => text.split("\n").map((line) => line.split("\t")[0]);

describe("completion", { timeout: 120_000 }, () => {
  it.each([
    [["ag"], ["agents"]],
    [
      ["budgets", ""],
      ["list", "create", "update", "delete"],
    ],
    [
      ["meters", "price", "tokens", "--model", ""],
      ["per_unit", "graduated", "volume", "package"],
    ],
    [["agents", "list", "--st"], ["--status"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish", "powershell"],
    ],
  ])("of %j offers %j", async (words, offered) => {
    const { stdout, stderr, code } = await licentric(["complete", "--", ...words]).ended();
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(names(stdout)).toEqual(expect.arrayContaining(offered));
    expect(names(stdout)).not.toContain("complete");
  });

  it.runIf(has("bash"))("works in bash", async () => {
    // What the package bash-completion brings, in short.
    const script = `
      _get_comp_words_by_ref() { words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=\${words[cword]}; }
      source <(licentric completion bash)
      COMP_WORDS=(licentric invoice s); COMP_CWORD=2; __licentric_complete; printf '%s\\n' "\${COMPREPLY[@]}"
      complete -p licentric`;
    const { stdout, code } = await run(["bash", "-c", script], env).ended();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^show\ncomplete .*__licentric_complete licentric\n$/);
  });

  it.runIf(has("fish"))("works in fish", async () => {
    const script = 'licentric completion fish | source; complete -C "licentric invoice s"';
    const { stdout } = await run(["fish", "--no-config", "-c", script], { ...env, HOME: directory }).ended();
    expect(names(stdout)).toContain("show");
  });

  it.runIf(has("zsh"))("is a script that zsh reads", async () => {
    const ended = await run(["sh", "-c", "licentric completion zsh | zsh -n"], env).ended();
    expect(ended).toEqual({ stdout: "", stderr: "", code: 0 });
  });

  it("knows no other shell", async () => {
    expect(await licentric(["completion", "csh"]).ended()).toMatchObject({ code: 2, stdout: "" });
  });
});
