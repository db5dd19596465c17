// What a user's program does with the client and the paywall, written once for every runtime.
import { createPaywall } from "@licentric/mcp";
import { RefusedError } from "@licentric/paywall";
import { Licentric } from "@licentric/sdk";
import { Client } from "@modelcontextprotocol/client";
import { InMemoryTransport, McpServer } from "@modelcontextprotocol/server";

/** @param {{ apiKey: string, baseUrl: string, token: string }} options */
export async function makeCalls({ apiKey, baseUrl, token }) {
  const client = new Licentric({ apiKey, baseUrl });
  const paywall = createPaywall({ apiKey, baseUrl });
  try {
    return {
      ...(await verify(client, token)),
      ...(await charge(paywall, token)),
      ...(await serve(paywall, token)),
      tool: await callTool(baseUrl, token),
    };
  } finally {
    await paywall.close();
    await client.close();
  }
}

async function verify(client, token) {
  const { data, status } = await client.mcp.verify(token, { meterName: "calls" }).withResponse();
  const refused = await client.mcp.verify("AGT-0123456789abcdefghij").catch((error) => error);
  const left = await client.agents.get(data.agentId, { signal: AbortSignal.abort("left") }).catch((e) => e);
  const away = new Licentric({ apiKey: null, baseUrl: "http://127.0.0.1:2", maxRetries: 0 });
  const failed = await away.mcp.verify(token).catch((error) => error);
  return {
    agentId: data.agentId,
    verified: status,
    refused: [refused.name, refused.status, refused.answeredByApi],
    left: left.name,
    failed: failed.name,
  };
}

async function charge(paywall, token) {
  const call = { token, name: "report", args: { city: "Oslo" } };
  const reserve = { meterName: "pages", charge: "reserve", quantity: 20 };
  const report = await paywall.charge(call, reserve, (running) => {
    running.reportUsage(3);
    return "a report";
  });
  const stranger = { token: "AGT-0123456789abcdefghij", name: "report" };
  const refusal = await paywall.charge(stranger, reserve, () => "free").catch((error) => error);
  return { report, refusal: [refusal instanceof RefusedError, refusal.code, refusal.status] };
}

async function serve(paywall, token) {
  const handler = paywall.route({ meterName: "routes" }, () => new Response("the weather"));
  const ask = (headers) => handler(new Request("https://shop.example/weather", { headers }));
  const paid = await ask({ authorization: `Bearer ${token}` });
  const unpaid = await ask({});
  return { paid: [paid.status, await paid.text()], unpaid: [unpaid.status, (await unpaid.json()).error] };
}

async function callTool(baseUrl, token) {
  const paywall = createPaywall({ baseUrl, token: () => token });
  const server = new McpServer({ name: "server", version: "1" });
  server.registerTool("forecast", {}, () => ({ content: [{ type: "text", text: "sun" }] }));
  paywall.protect(server, { tools: { forecast: { meterName: "tools" } } });
  const client = new Client({ name: "client", version: "1" });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  const { content } = await client.callTool({ name: "forecast" });
  await client.close();
  await paywall.close();
  return content[0].text;
}
