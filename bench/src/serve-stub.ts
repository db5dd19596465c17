import { readText } from "./read-text.ts";
import { serve } from "./serve.ts";

/**
 * Stands in for the backend of everything that can charge for a call: every path answers at once what its client
 * needs in order to go on, and keeps nothing. `GET /count` tells how many requests there were.
 */
const PERIOD = "00000000-0000-4000-8000-000000000000";
const NOW = new Date().toISOString();
const PAYER = `0x${"1".repeat(40)}`;
let requests = 0;

const answers: Record<string, (body: string) => unknown> = {
  "/api/v1/mcp/verify": () => ({
    data: {
      accountId: "acc_1",
      agentId: "agt_1",
      scopes: ["mcp:invoke"],
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
      event: { id: "evt_1", meterName: "api_calls", quantity: 1, duplicate: false },
    },
  }),
  "/api/v1/usage/events": (body) => ({
    data: { results: JSON.parse(body).events.map((event: object) => recorded(event)) },
  }),
  "/v2/keys.verifyKey": () => ({
    meta: { requestId: "req_1" },
    data: { valid: true, code: "VALID", keyId: "key_1", credits: 1_000_000 },
  }),
  "/api/v1/events": () => undefined,
  "/verify": () => ({ isValid: true, payer: PAYER }),
  "/settle": () => ({
    success: true,
    payer: PAYER,
    transaction: `0x${"2".repeat(64)}`,
    network: "base-sepolia",
  }),
  "/count": () => ({ requests }),
};

function recorded(event: object) {
  const given = { idempotencyKey: null, timestamp: NOW, metadata: {}, quantity: 1, ...event };
  return { status: "recorded", event: { ...given, id: "evt_1", periodId: PERIOD, createdAt: NOW } };
}

serve(async (request, response) => {
  const body = await readText(request);
  const answer = answers[request.url ?? ""];
  if (answer === undefined) {
    response.writeHead(404).end();
    return;
  }
  if (request.method === "POST") requests += 1;
  const value = answer(body);
  if (value === undefined) {
    response.writeHead(204).end();
    return;
  }
  const text = JSON.stringify(value);
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
});
