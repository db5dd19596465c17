import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Licentric } from "@licentric/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let api: TestApi;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-"));
  api = await startApi();
}, 120_000);
afterAll(async () => {
  await api?.close();
  await killRunning();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

describe("licentric keys", { timeout: 120_000 }, () => {
  it("creates a key in the database itself, which the API then takes", async () => {
    const data = ["--data-dir", join(directory, "keys")];
    const made = await licentric(["keys", "create", "--show-secret", ...data]).ended();
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^lk_test_[\w-]+\n$/) });

    const dev = licentric(["dev", "--json", "--port", "0", ...data]);
    const { url, apiKey } = JSON.parse(await dev.firstLine());
    const client = new Licentric({ apiKey: made.stdout.trim(), baseUrl: url });
    const { data: keys } = await client.keys.list();
    expect(keys.map(({ name }) => name)).toEqual(["licentric dev", null]);
    expect(apiKey).not.toBe(made.stdout.trim());
    await client.close();
  });

  it("creates a key with scopes through the API, lists it without its secret, and revokes it", async () => {
    const created = await api.json("keys", "create", "--scope", "agents:read", "--name", "reader");
    expect(created).toMatchObject({ name: "reader", scopes: ["agents:read"] });
    const { id, key, hint } = created as Record<string, string>;
    const client = new Licentric({ apiKey: key ?? "", baseUrl: api.url });
    expect((await client.agents.list()).data).toHaveLength(1);
    await expect(client.agents.create({ name: "x" })).rejects.toMatchObject({ status: 403 });

    const listed = await api.run("keys", "list");
    expect(listed.stdout).toMatch(new RegExp(`${id} +reader +${hint} +agents:read`));
    expect(listed.stdout).not.toContain(key);
    expect(await api.run("keys", "revoke", id ?? "")).toMatchObject({ code: 2 });
    expect(await api.json("keys", "revoke", id ?? "", "--yes")).toMatchObject({
      id,
      revokedAt: expect.any(String),
    });
    await expect(client.agents.list()).rejects.toMatchObject({ status: 401 });
    await client.close();
  });

  it("makes no key where nobody would see it, nor one of the other mode", async () => {
    expect(await api.run("keys", "create")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("--show-secret"),
    });
    expect(await api.run("keys", "create", "--mode", "live", "--json")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("is not a live key"),
    });
  });

  it("refuses a currency and a time zone that do not exist", async () => {
    await prepareDatabase(join(directory, "euro"));
    const args = ["keys", "create", "--show-secret", "--data-dir", join(directory, "euro")];
    expect(await licentric([...args, "--currency", "euro"]).ended()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("ISO 4217"),
    });
    expect(await licentric([...args, "--time-zone", "Berlin"]).ended()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("IANA"),
    });
  });
});
