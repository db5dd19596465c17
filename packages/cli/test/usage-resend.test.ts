import { appendFile, copyFile, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPaywall } from "@licentric/mcp";
import { fileJournal } from "@licentric/mcp/journal";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let api: TestApi;
let token: string;
beforeAll(async () => {
  api = await startApi();
  const agent = await api.client.agents.create({ name: "reader" });
  const authorization = await api.client.mcp.authorize(agent.id, { scopes: ["mcp:invoke"] });
  token = authorization.token.reveal();
}, 60_000);
afterAll(async () => {
  await api.close();
  await killRunning();
});

describe("licentric usage resend", { timeout: 60_000 }, () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "licentric-resend-"));
    return () => rm(directory, { recursive: true, force: true });
  });
  const rejected = () => join(directory, "rejected");
  const waiting = async () => (await readdir(rejected())).filter((name) => name !== "resent");

  /** Charges calls in the background on a meter, and waits until the API has answered all of them. */
  async function charge(meterName: string, quantity: number): Promise<void> {
    const paywall = createPaywall({
      client: api.client,
      metering: "background",
      verification: { cacheTtl: 30_000 },
      journal: fileJournal({ directory }),
    });
    paywall.on("failed", () => {});
    await paywall.charge({ token, name: "read", args: {} }, { meterName, quantity }, () => "read");
    await paywall.flush();
    await paywall.close();
  }

  it("records refused usage once, when what it was refused for is mended", async () => {
    await charge("missing", 3);
    await charge("missing", 4);
    const dry = await api.run("usage", "resend", directory, "--dry-run");
    expect(dry).toMatchObject({ code: 0, stderr: "" });
    expect(dry.stdout).toMatch(/missing +3 .*\n.*missing +4 /);

    const files = await waiting();
    const again = await api.run("usage", "resend", directory);
    expect(again).toMatchObject({ code: 1, stderr: "" });
    expect(again.stdout).toMatch(/^Recorded: 0\nRefused again: 2 \(.*missing.*\)\nKept in /);
    expect(await waiting()).toHaveLength(files.length);

    await api.client.meters.create({ name: "missing" });
    expect(await api.run("usage", "resend", directory)).toEqual({
      code: 0,
      stderr: "",
      stdout: "Recorded: 2\n",
    });
    expect(await waiting()).toEqual([]);
    expect((await api.client.usage.totals()).find(({ meterName }) => meterName === "missing")).toMatchObject({
      quantity: 7,
      eventCount: 2,
    });
    expect(await api.run("usage", "resend", directory)).toMatchObject({ stdout: "No usage was refused.\n" });

    // As a run leaves it that was killed between the API's answer and putting the file aside.
    for (const name of await readdir(join(rejected(), "resent"))) {
      await copyFile(join(rejected(), "resent", name), join(rejected(), name.replace(".jsonl", ".sending")));
    }
    expect(await api.json("usage", "resend", directory)).toMatchObject({ recorded: 0, refused: 0 });
    expect((await api.client.usage.totals()).find(({ meterName }) => meterName === "missing")).toMatchObject({
      quantity: 7,
      eventCount: 2,
    });
  });

  it("keeps lines that hold no event, readable by their owner alone", async () => {
    await charge("absent", 1);
    const [name = ""] = await waiting();
    const damaged = '{"damaged":"AAAA","segment":"1","offset":0,"foundAt":"2026-01-01T00:00:00.000Z"}';
    await appendFile(join(rejected(), name), `${damaged}\n{"event":{"idempot`);
    await api.client.meters.create({ name: "absent" });
    const resent = await api.run("usage", "resend", directory);
    expect(resent).toMatchObject({ code: 1, stderr: "" });
    expect(resent.stdout).toMatch(/^Recorded: 1\nNo event, damaged or cut short by a crash: 2\nKept in /);
    const [kept = "", ...others] = await waiting();
    expect(others).toEqual([]);
    expect(await readFile(join(rejected(), kept), "utf8")).toBe(`${damaged}\n{"event":{"idempot\n`);
    for (const path of [join(rejected(), kept), join(rejected(), "resent")]) {
      expect((await stat(path)).mode & 0o077).toBe(0);
    }
  });

  it("loses nothing where no API answers, and says so where there is no journal", async () => {
    await charge("nowhere", 1);
    const unreachable = { ...api.env, LICENTRIC_BASE_URL: "http://127.0.0.1:9" };
    expect(await licentric(["usage", "resend", directory], unreachable).ended()).toMatchObject({ code: 5 });
    await api.client.meters.create({ name: "nowhere" });
    expect(await api.run("usage", "resend", directory)).toMatchObject({ code: 0, stdout: "Recorded: 1\n" });
    expect(await api.run("usage", "resend", join(directory, "misspelled"))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("cannot be read"),
    });
  });
});
