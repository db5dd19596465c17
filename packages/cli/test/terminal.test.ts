import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApi, type TestApi } from "./support/api.ts";
import { commandLine, killRunning, licentric, run } from "./support/licentric.ts";

let api: TestApi;
let slow: Server;
beforeAll(async () => {
  api = await startApi();
  // The real API behind a long line.
  slow = createServer(async (incoming, response) => {
    await sleep(2_500);
    const { method = "GET", headers } = incoming;
    const forwarded = request(`${api.url}${incoming.url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(forwarded);
  }).listen(0, "127.0.0.1");
  await once(slow, "listening");
}, 120_000);
afterAll(async () => {
  slow?.close();
  await api?.close();
  await killRunning();
}, 60_000);

/** Runs a command on a pseudo-terminal, with the keys that a person presses. */
function onTerminal(args: readonly string[], env: Record<string, string> = {}, keys = "") {
  const quoted = [...commandLine, ...args].map((word) => `'${word}'`).join(" ");
  const terminal = ["script", "--quiet", "--return", "--flush", "--command", quoted, "/dev/null"];
  const command = run(terminal, { TERM: "xterm", ...api.env, ...env });
  command.child.stdout.on("data", () => {
    // The question has to be there before the answer: readline drops what comes earlier.
    if (keys !== "" && command.output.stdout.includes("[y/N]")) command.child.stdin.end(keys);
  });
  return command;
}

const ESCAPE = "\u001b[";
const lines = (text: string) => text.replaceAll("\r\n", "\n");

// `script` of util-linux makes the terminal.
describe.runIf(process.platform === "linux")("on a terminal", { timeout: 120_000 }, () => {
  it("tables have colours, unless NO_COLOR asks for none", async () => {
    await api.client.agents.create({ name: "coloured" });
    expect((await onTerminal(["agents", "list"]).ended()).stdout).toContain(`${ESCAPE}32mactive${ESCAPE}39m`);
    const plain = await onTerminal(["agents", "list"], { NO_COLOR: "1" }).ended();
    expect(lines(plain.stdout)).toMatch(/^ID +NAME/);
    expect(plain.stdout).not.toContain(ESCAPE);
  });

  it("a secret is shown with a word of explanation", async () => {
    const { id } = await api.client.agents.create({ name: "shown" });
    const { stdout } = await onTerminal(["authorize", id], { NO_COLOR: "1" }).ended();
    expect(lines(stdout)).toMatch(
      /^This token allows mcp:invoke until .* shown this once:\n\n {2}AGT-\S+\n\n$/,
    );
  });

  it("what takes something away asks, and only yes does it", async () => {
    const { id } = await api.client.agents.create({ name: "asked \u001b[2Jfor" });
    const refused = await onTerminal(["agents", "delete", id], { NO_COLOR: "1" }, "n\r").ended();
    expect(refused.stdout).toContain('Delete the agent "asked \u{fffd}[2Jfor"');
    expect(refused.stdout).toContain("Nothing was changed.");
    expect(refused.code).toBe(1);
    expect((await api.client.agents.get(id)).id).toBe(id);

    const agreed = await onTerminal(["agents", "delete", id], { NO_COLOR: "1" }, "y\r").ended();
    expect(agreed.stdout).toContain(`Deleted ${id}.`);
    expect(agreed.code).toBe(0);
    await expect(api.client.agents.get(id)).rejects.toMatchObject({ status: 404 });
  });

  it("`close current` asks each time, and says which period it is", async () => {
    const { id } = await api.client.billing.getCurrentPeriod();
    const plain = { NO_COLOR: "1" };
    const forced = await onTerminal(["close", "current", "--yes"], plain).ended();
    expect(forced).toMatchObject({ code: 2, stdout: expect.stringContaining(id) });
    const closed = await onTerminal(["close", "current"], plain, "y\r").ended();
    expect(closed.stdout).toMatch(/Close the period \S+ to \S+\?/);
    expect(closed.code).toBe(0);
    const next = await api.client.billing.getCurrentPeriod();
    expect((await onTerminal(["close", "current"], plain, "n\r").ended()).code).toBe(1);
    expect(await api.client.billing.getPeriod(id)).toMatchObject({ status: "closed" });
    expect(await api.client.billing.getPeriod(next.id)).toMatchObject({ status: "open" });
  });

  it("a wheel turns while something takes long", async () => {
    const { port } = slow.address() as AddressInfo;
    const env = { LICENTRIC_BASE_URL: `http://127.0.0.1:${port}`, NO_COLOR: "1" };
    const { stdout, code } = await onTerminal(["agents", "list"], env).ended();
    expect(code).toBe(0);
    expect(stdout).toMatch(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] listing agents… [12] s/);
  });
});

describe("where there is no terminal", { timeout: 120_000 }, () => {
  it("what takes long is said on standard error, and standard output has the data alone", async () => {
    const { port } = slow.address() as AddressInfo;
    const env = { ...api.env, LICENTRIC_BASE_URL: `http://127.0.0.1:${port}` };
    const command = licentric(["period", "current", "--json"], env);
    await command.ended();
    expect(command.output.stderr).toMatch(/^licentric: reading the period… 1 s\n$/);
    expect(JSON.parse(command.output.stdout)).toMatchObject({ status: "open" });
  });

  it("a reader that stops early is no error", async () => {
    const quoted = [...commandLine, "agents", "list"].map((word) => `'${word}'`).join(" ");
    const { stderr, code } = await run(["sh", "-c", `${quoted} | true`], api.env).ended();
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  });
});
