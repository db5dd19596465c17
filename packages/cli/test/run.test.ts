import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { Licentric } from "@licentric/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { prepareDatabase } from "../../server/test/support/prepared-database.ts";
import { killRunning, licentric } from "./support/licentric.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "licentric-cli-"));
});
afterEach(killRunning);
afterAll(() => rm(directory, { recursive: true, force: true }));

const dev = (dataDirectory: string) =>
  licentric(["dev", "--json", "--port", "0", "--data-dir", join(directory, dataDirectory)]);

describe("licentric dev", () => {
  it("makes a key and a token at the first start, keeps them, and stops cleanly on SIGTERM", async () => {
    const first = dev("dev");
    const { url, apiKey, agentToken, accountId, envFile } = JSON.parse(await first.firstLine());
    expect(envFile).toBe(join(directory, "dev", "env"));
    const client = new Licentric({ apiKey, baseUrl: url });
    const agent = await client.agents.create({ name: "first" });
    expect(await client.mcp.verify(agentToken)).toMatchObject({ scopes: ["mcp:invoke"] });
    await client.close();
    first.child.kill("SIGTERM");
    expect((await first.ended()).code).toBe(0);

    const second = dev("dev");
    const again = JSON.parse(await second.firstLine());
    expect(again).toEqual({ url: expect.any(String), accountId, apiKey, agentToken, envFile });
    const reconnected = new Licentric({ apiKey, baseUrl: again.url });
    expect((await reconnected.agents.get(agent.id)).name).toBe("first");
    await reconnected.close();
  }, 180_000);

  it("makes others where those of the file are refused or gone", async () => {
    await prepareDatabase(join(directory, "others"));
    const first = dev("others");
    const { apiKey, agentToken, envFile } = JSON.parse(await first.firstLine());
    first.child.kill("SIGTERM");
    await first.ended();
    await writeFile(envFile, "LICENTRIC_API_KEY=lk_test_of_another_database\n");
    const again = JSON.parse(await dev("others").firstLine());
    expect(again.apiKey).toMatch(/^lk_test_/);
    expect([apiKey, "lk_test_of_another_database"]).not.toContain(again.apiKey);
    expect(again.agentToken).not.toBe(agentToken);
  }, 180_000);

  it("says that the data directory is open in another process, and changes nothing", async () => {
    await prepareDatabase(join(directory, "locked"));
    const first = dev("locked");
    const { url, apiKey } = JSON.parse(await first.firstLine());
    const second = await dev("locked").ended();
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("is open in another process");
    expect(second.stderr).toContain("DATABASE_URL");
    const client = new Licentric({ apiKey, baseUrl: url });
    expect((await client.agents.create({ name: "still here" })).name).toBe("still here");
    await client.close();
  }, 180_000);

  it("says that the port is in use, and frees the data directory", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await prepareDatabase(join(directory, "port"));
    const args = ["dev", "--json", "--port", String(port), "--data-dir", join(directory, "port")];
    const refused = await licentric(args).ended();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`Port ${port} is in use`);
    other.close();
    await once(other, "close");
    expect(JSON.parse(await licentric(args).firstLine())).toHaveProperty("apiKey");
  }, 180_000);

  it("prints no key off a terminal, and has it in a file for its owner alone", async () => {
    await prepareDatabase(join(directory, "quiet"));
    const file = join(directory, "quiet", "env");
    const started = licentric(["dev", "--port", "0", "--data-dir", join(directory, "quiet")]);
    await expect.poll(() => started.output.stdout, { timeout: 120_000 }).toContain(file);
    const text = await readFile(file, "utf8");
    expect(text).toMatch(/^LICENTRIC_API_KEY=lk_test_\S+$/m);
    expect(text).toMatch(/^LICENTRIC_AGENT_TOKEN=AGT-\S+$/m);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    const { LICENTRIC_BASE_URL: baseUrl, LICENTRIC_API_KEY: apiKey } = parseEnv(text);
    const client = new Licentric({ ...(baseUrl && { baseUrl }), ...(apiKey && { apiKey }) });
    const { id } = await client.agents.create({ name: "shown" });
    const { token } = await client.mcp.authorize(id, { scopes: ["mcp:invoke"] });
    await client.mcp.verify(token, { meterName: "api_calls", quantity: 2 });
    await client.close();
    const headers = { authorization: "Bearer AGT-nobody" };
    expect((await fetch(`${baseUrl}/api/v1/mcp/verify`, { method: "POST", headers })).status).toBe(401);
    started.child.kill("SIGTERM");
    const { stdout } = await started.ended();
    expect(stdout).toContain(`charged  2 api_calls  agent ${id}`);
    expect(stdout).toMatch(/refused {2}401 UNAUTHORIZED {2}\S/);
    expect(stdout).not.toMatch(/lk_test_|AGT-\w/);
  }, 180_000);

  it("ends with the exit code of the program that it runs, which has the variables", async () => {
    const program = "process.exit(process.env.LICENTRIC_AGENT_TOKEN.startsWith('AGT-') ? 7 : 1)";
    await prepareDatabase(join(directory, "program"));
    const args = ["dev", "--port", "0", "--data-dir", join(directory, "program"), "--"];
    expect((await licentric([...args, process.execPath, "-e", program]).ended()).code).toBe(7);
    const refused = await licentric([...args, join(directory, "no-such-program")]).ended();
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("cannot be run") });
  }, 180_000);
});

describe("licentric start", () => {
  it("says that DATABASE_URL cannot be reached, and keeps its password to itself", async () => {
    const DATABASE_URL = "postgres://owner:hunter2@127.0.0.1:1/licentric";
    const { code, stderr } = await licentric(["start", "--port", "0"], { DATABASE_URL }).ended();
    expect(code).toBe(1);
    expect(stderr).toContain("Cannot use PostgreSQL at 127.0.0.1:1/licentric");
    expect(stderr).toContain("Check DATABASE_URL");
    expect(stderr).not.toContain("hunter2");
  }, 180_000);

  it.each(["70000", "-1", "http"])(
    "refuses --port %s",
    async (port) => {
      const { code, stderr } = await licentric(["start", `--port=${port}`]).ended();
      expect(code).toBe(2);
      expect(stderr).toContain("0 to 65535");
    },
    60_000,
  );

  it("names every variable of the environment that is wrong, and none of their values", async () => {
    const env = { STRIPE_API_KEY: "pk_test_hidden", LICENTRIC_TRUST_PROXY: "yes" };
    const { code, stderr } = await licentric(["start", "--port", "0"], env).ended();
    expect(code).toBe(2);
    expect(stderr).toContain("STRIPE_API_KEY must be a secret or restricted key");
    expect(stderr).toContain("LICENTRIC_TRUST_PROXY must be a whole number");
    expect(stderr).not.toContain("pk_test_hidden");
  }, 180_000);

  it("lets flags win over the environment, and runs with what the environment says besides", async () => {
    const env = {
      DATABASE_URL: "postgres://127.0.0.1:1/nowhere",
      PORT: "1",
      LICENTRIC_METRICS_TOKEN: "0123456789abcdef",
    };
    await prepareDatabase(join(directory, "flags"));
    const args = ["start", "--json", "--port", "0", "--data-dir", join(directory, "flags")];
    const { url } = JSON.parse(await licentric(args, env).firstLine());
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    const authorization = "Bearer 0123456789abcdef";
    expect((await fetch(`${url}/metrics`, { headers: { authorization } })).status).toBe(200);
  }, 180_000);

  it("refuses to be told of two databases at once", async () => {
    const args = ["start", "--database-url", "postgres://x/y", "--data-dir", "z"];
    expect(await licentric(args).ended()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("not both"),
    });
  }, 180_000);
});
