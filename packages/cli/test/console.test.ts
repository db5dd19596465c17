import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { killRunning } from "./support/licentric.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
}, 120_000);
afterAll(async () => {
  await api?.close();
  await killRunning();
}, 60_000);

describe("licentric console", { timeout: 120_000 }, () => {
  const exchange = (url: string) =>
    fetch(`${api.url}/api/v1/console/keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${new URL(url).hash.replace("#code=", "")}` },
    });

  it("prints a link that opens the console once, with the role and the end that are asked for", async () => {
    const args = ["--role", "read", "--expires-in", "1h", "--name", "Ada's console"];
    const link = await api.json("console", ...args);
    expect(link).toEqual({ url: expect.any(String), role: "read", expiresAt: expect.any(String) });
    const { url } = link as { url: string };
    expect(url.startsWith(`${api.url}/console#code=lcc_`)).toBe(true);
    const { data } = (await (await exchange(url)).json()) as { data: Record<string, string> };
    expect(data).toMatchObject({ name: "Ada's console", mode: "test" });
    expect(data["scopes"]).toContain("usage:read");
    expect(data["scopes"]).not.toContain("agents:write");
    expect(Date.parse(data["expiresAt"] ?? "") - Date.parse(data["createdAt"] ?? "")).toBe(3_600_000);
    expect((await exchange(url)).status).toBe(401);
    const listed = await api.run("keys", "list");
    expect(listed.stdout).toContain("Ada's console");
  });

  it("prints the link alone where a script asks for it, and makes none where nobody would see it", async () => {
    const shown = await api.run("console", "--show-secret");
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/^http:\S+#code=lcc_\S+\n$/) });
    expect(await api.run("console")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("--show-secret"),
    });
    expect(await api.run("console", "--role", "owner")).toMatchObject({ code: 2 });
  });

  it("is served by the API, or said how to get", async () => {
    const page = await fetch(`${api.url}/console`);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await page.text()).toMatch(/<div id="root">|pnpm@10 console:build/);
  });
});
