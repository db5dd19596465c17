import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Licentric } from "@licentric/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

const bin = fileURLToPath(new URL("../src/bin.ts", import.meta.url));
const running = new Set<ChildProcess>();

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-"));
});
afterEach(async () => {
  for (const child of running) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function licentric(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), bin, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => {
    output.stdout += text;
  });
  child.stderr.on("data", (text) => {
    output.stderr += text;
  });
  return {
    child,
    output,
    ended: async () => {
      if (child.exitCode === null) await once(child, "close");
      return { ...output, code: child.exitCode };
    },
    firstLine: async (): Promise<string> => {
      for await (const line of createInterface({ input: child.stdout })) return line;
      throw new Error(`ended without a line: ${output.stderr}`);
    },
  };
}

const dev = (dataDirectory: string, ...args: string[]) =>
  licentric(["dev", "--json", "--port", "0", "--data-dir", join(directory, dataDirectory), ...args]);

describe("licentric dev", () => {
  it("makes a key at the first start, prints it once, and stops cleanly on SIGTERM", async () => {
    const first = dev("dev");
    const { url, apiKey, accountId } = JSON.parse(await first.firstLine());
    const client = new Licentric({ apiKey, baseUrl: url });
    const agent = await client.agents.create({ name: "first" });
    await client.close();
    first.child.kill("SIGTERM");
    expect((await first.ended()).code).toBe(0);

    const second = dev("dev");
    const again = JSON.parse(await second.firstLine());
    expect(again).toEqual({ url: expect.any(String), accountId });
    const reconnected = new Licentric({ apiKey, baseUrl: again.url });
    expect((await reconnected.agents.get(agent.id)).name).toBe("first");
    await reconnected.close();
  }, 60_000);

  it("says that the data directory is open in another process, and changes nothing", async () => {
    const first = dev("locked");
    const { url, apiKey } = JSON.parse(await first.firstLine());
    const second = await dev("locked").ended();
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("is open in another process");
    expect(second.stderr).toContain("DATABASE_URL");
    const client = new Licentric({ apiKey, baseUrl: url });
    expect((await client.agents.create({ name: "still here" })).name).toBe("still here");
    await client.close();
  }, 60_000);

  it("says that the port is in use, and frees the data directory", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const args = ["dev", "--json", "--port", String(port), "--data-dir", join(directory, "port")];
    const refused = await licentric(args).ended();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`Port ${port} is in use`);
    other.close();
    await once(other, "close");
    expect(JSON.parse(await licentric(args).firstLine())).toHaveProperty("apiKey");
  }, 60_000);

  it("prints no key where nobody asked for it and no person is there", async () => {
    const started = licentric(["dev", "--port", "0", "--data-dir", join(directory, "quiet")]);
    await started.firstLine();
    started.child.kill("SIGTERM");
    const { stdout } = await started.ended();
    expect(stdout).not.toContain("lk_test_");
  }, 60_000);
});

describe("licentric start", () => {
  it("says that DATABASE_URL cannot be reached, and keeps its password to itself", async () => {
    const DATABASE_URL = "postgres://owner:hunter2@127.0.0.1:1/licentric";
    const { code, stderr } = await licentric(["start", "--port", "0"], { DATABASE_URL }).ended();
    expect(code).toBe(1);
    expect(stderr).toContain("Cannot use PostgreSQL at 127.0.0.1:1/licentric");
    expect(stderr).toContain("Check DATABASE_URL");
    expect(stderr).not.toContain("hunter2");
  });

  it.each(["70000", "-1", "http"])("refuses --port %s", async (port) => {
    const { code, stderr } = await licentric(["start", `--port=${port}`]).ended();
    expect(code).toBe(1);
    expect(stderr).toContain("0 to 65535");
  });
});

describe("licentric keys create", () => {
  it("creates a key in the database, which the API then takes", async () => {
    const dataDirectory = join(directory, "keys");
    const { stdout, code } = await licentric(["keys", "create", "--data-dir", dataDirectory]).ended();
    expect(code).toBe(0);
    const apiKey = stdout.trim();
    expect(apiKey).toMatch(/^lk_test_[\w-]+$/);

    const api = dev("keys");
    const { url } = JSON.parse(await api.firstLine());
    const env = { LICENTRIC_API_KEY: apiKey, LICENTRIC_BASE_URL: url };
    const scoped = await licentric(
      ["keys", "create", "--scope", "agents:read", "--name", "reader"],
      env,
    ).ended();
    const client = new Licentric({ apiKey: scoped.stdout.trim(), baseUrl: url });
    expect((await client.agents.list()).data).toEqual([]);
    await expect(client.agents.create({ name: "x" })).rejects.toMatchObject({ status: 403 });
    await client.close();

    const live = await licentric(["keys", "create", "--mode", "live"], env).ended();
    expect(live).toMatchObject({ code: 1, stderr: expect.stringContaining("is no live key") });
  }, 60_000);
});
