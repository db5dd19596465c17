import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Licentric } from "@licentric/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-backup-"));
});
afterAll(async () => {
  await killRunning();
  await rm(directory, { recursive: true, force: true });
});

const dev = (data: string) =>
  licentric(["dev", "--json", "--port", "0", "--data-dir", join(directory, data)]);

describe("licentric backup and restore", { timeout: 180_000 }, () => {
  it("carry everything over to another data directory", async () => {
    await prepareDatabase(join(directory, "first"));
    const first = dev("first");
    const { url, apiKey } = JSON.parse(await first.firstLine());
    const client = new Licentric({ apiKey, baseUrl: url });
    const { id } = await client.agents.create({ name: "kept" });
    await client.close();

    const file = join(directory, "backup.tar.gz");
    const backup = (...args: string[]) =>
      licentric(["backup", file, "--data-dir", join(directory, "first"), ...args]).ended();
    expect(await backup()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("open in another process"),
    });
    first.child.kill("SIGTERM");
    await first.ended();
    expect(await backup()).toMatchObject({ code: 0, stdout: expect.stringContaining("secret-key") });
    expect(await backup()).toMatchObject({ code: 1, stderr: expect.stringContaining("exists") });

    const restore = () =>
      licentric(["restore", file, "--data-dir", join(directory, "second"), "--json"]).ended();
    expect(JSON.parse((await restore()).stdout)).toEqual({ file, directory: join(directory, "second") });
    expect(await restore()).toMatchObject({ code: 1, stderr: expect.stringContaining("not empty") });

    const second = dev("second");
    const restored = new Licentric({ apiKey, baseUrl: JSON.parse(await second.firstLine()).url });
    expect((await restored.agents.get(id)).name).toBe("kept");
    await restored.close();
  });

  it("say what is no backup, and what a PostgreSQL is backed up with", async () => {
    const file = join(directory, "notes.txt");
    await writeFile(file, "no backup");
    const args = ["restore", file, "--data-dir", join(directory, "third")];
    expect(await licentric(args).ended()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("is not a backup"),
    });
    const env = { DATABASE_URL: "postgres://127.0.0.1/x" };
    expect(await licentric(["backup"], env).ended()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("pg_dump"),
    });
  });
});
