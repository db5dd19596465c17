import { exec, execFile, execFileSync, execSync, fork, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../../packages/server/src/store/open-database.ts";

const node = process.execPath;

describe("a unit test", () => {
  it.each<[string, () => unknown]>([
    ["exec", () => exec("true")],
    ["execFile", () => execFile(node, ["--version"])],
    ["execFileSync", () => execFileSync(node, ["--version"])],
    ["execSync", () => execSync("true")],
    ["fork", () => fork(import.meta.filename)],
    ["spawn", () => spawn(node, ["--version"])],
    ["spawnSync", () => spawnSync(node, ["--version"])],
  ])("starts no process with %s", (_, start) => {
    expect(start).toThrow(/^A unit test starts a process: move it/);
  });

  it.each([
    ["a socket", () => connect(1, "127.0.0.1")],
    ["HTTP", () => get("http://127.0.0.1:1")],
  ])("opens no connection with %s", async (_, open) => {
    const [error] = await once(open(), "error");
    expect(String(error)).toContain("A unit test opens a connection: move it");
  });

  it("opens no connection with fetch", async () => {
    const error = await fetch("http://127.0.0.1:8080").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      cause: { message: expect.stringMatching("A unit test opens a connection") },
    });
  });

  it("opens no connection to PostgreSQL", async () => {
    await expect(openDatabase({ databaseUrl: "postgres://127.0.0.1:1/none" })).rejects.toThrow(
      "A unit test opens a connection",
    );
  });

  it("runs no embedded database", async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), "licentric-unit-test-"));
    await expect(openDatabase({ dataDirectory }))
      .rejects.toThrow("A unit test starts the embedded database")
      .finally(() => rm(dataDirectory, { recursive: true }));
  });
});
