import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HttpResponse, http } from "msw";
import { Agent, errors, MockAgent, ProxyAgent } from "undici";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { clientFor, errorOf, TEST_TOKEN } from "./client-for.ts";
import { serveHandlers } from "./serve-handlers.ts";

const VERIFIED = { accountId: "acc_1", agentId: "agt_1", scopes: [] };

describe("a dispatcher of the user's own", () => {
  it("may be a proxy, and stays open when the client is closed", async () => {
    const api = await serveHandlers([
      http.post("*/api/v1/mcp/verify", () => HttpResponse.json({ data: VERIFIED })),
    ]);
    const { tunnels, url } = await serveProxy();
    const dispatcher = new ProxyAgent(url);
    onTestFinished(async () => {
      await dispatcher.destroy();
      await api.close();
    });

    const client = clientFor(api.url, { dispatcher });
    expect(await client.mcp.verify(TEST_TOKEN)).toEqual(VERIFIED);
    expect(tunnels).toEqual([new URL(api.url).host]);
    await client.close();
    expect(await clientFor(api.url, { dispatcher }).mcp.verify(TEST_TOKEN)).toEqual(VERIFIED);
  });

  it("may give up on connecting before the client does: that is a TimeoutError, and tried again", async () => {
    const dispatcher = new MockAgent();
    dispatcher.disableNetConnect();
    onTestFinished(() => dispatcher.close());
    const api = dispatcher.get("http://api.example").intercept({ path: /verify/, method: "POST" });
    api.replyWithError(new errors.ConnectTimeoutError("Connect Timeout Error (10000 ms)")).times(2);
    const error = await errorOf(
      clientFor("http://api.example", { dispatcher, maxRetries: 1 }).mcp.verify(TEST_TOKEN),
    );
    expect(error).toMatchObject({
      name: "TimeoutError",
      message: expect.stringContaining("Connect Timeout Error (10000 ms)"),
    });
    expect(dispatcher.pendingInterceptors()).toEqual([]);
  });

  it.skipIf(!hasOpenssl())("may show a client certificate, and a wrong one is not tried again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "licentric-tls-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
    execFileSync(
      "openssl",
      [
        ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test".split(" "),
        ...["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
      ],
      { stdio: "ignore" },
    );
    const pair = { key: readFileSync(key), cert: readFileSync(cert) };
    let requests = 0;
    const server = createTlsServer(
      { ...pair, ca: pair.cert, requestCert: true, rejectUnauthorized: true },
      (_, response) => {
        requests++;
        response.setHeader("content-type", "application/json").end(JSON.stringify({ data: VERIFIED }));
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const dispatcher = new Agent({ connect: { ...pair, ca: pair.cert } });
    onTestFinished(async () => {
      await dispatcher.destroy();
      server.close();
    });

    expect(await clientFor(url, { dispatcher }).mcp.verify(TEST_TOKEN)).toEqual(VERIFIED);
    expect(requests).toBe(1);
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, warn: (line: string) => void warnings.push(line), error() {} };
    const error = await errorOf(clientFor(url, { logger }).mcp.verify(TEST_TOKEN));
    expect(error).toMatchObject({ name: "ConnectionError", code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    expect(warnings).toEqual([]);
  });
});

describe("the variables of a proxy", () => {
  const serveApi = async () => {
    const api = await serveHandlers([
      http.post("*/api/v1/mcp/verify", () => HttpResponse.json({ data: VERIFIED })),
    ]);
    onTestFinished(() => api.close());
    return api;
  };
  afterEach(() => vi.unstubAllEnvs());

  it("are heeded: HTTP_PROXY", async () => {
    const { port } = new URL((await serveApi()).url);
    const { tunnels, url } = await serveProxy();
    vi.stubEnv("HTTP_PROXY", url);
    expect(await clientFor(`http://api.invalid:${port}`).mcp.verify(TEST_TOKEN)).toEqual(VERIFIED);
    expect(tunnels).toEqual([`api.invalid:${port}`]);
  });

  it("are heeded: HTTPS_PROXY, for an API with TLS", async () => {
    const { tunnels, url } = await serveProxy();
    vi.stubEnv("HTTPS_PROXY", url);
    const client = clientFor("https://api.invalid:1", { maxRetries: 0 });
    expect(await errorOf(client.mcp.verify(TEST_TOKEN))).toMatchObject({
      message: expect.stringContaining("502"),
    });
    expect(tunnels).toEqual(["api.invalid:1"]);
  });

  it("are heeded: NO_PROXY", async () => {
    const { tunnels, url } = await serveProxy();
    vi.stubEnv("HTTP_PROXY", url);
    vi.stubEnv("NO_PROXY", "api.invalid");
    const call = clientFor("http://api.invalid:1", { maxRetries: 0 }).mcp.verify(TEST_TOKEN);
    expect(await errorOf(call)).toMatchObject({ name: "ConnectionError" });
    expect(tunnels).toEqual([]);
  });

  it("are not for an API on this machine", async () => {
    const { url } = await serveApi();
    const proxy = await serveProxy();
    vi.stubEnv("HTTP_PROXY", proxy.url);
    expect(await clientFor(url).mcp.verify(TEST_TOKEN)).toEqual(VERIFIED);
    expect(proxy.tunnels).toEqual([]);
  });
});

/** A proxy for one test that takes every name for this machine, and the hosts that it was asked for. */
async function serveProxy(): Promise<{ readonly url: string; readonly tunnels: string[] }> {
  const tunnels: string[] = [];
  const proxy = createServer().on("connect", (request, client) => {
    tunnels.push(request.url ?? "");
    const { port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    client.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void proxy.close());
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, tunnels };
}

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
