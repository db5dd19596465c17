import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A request as it arrived. */
export interface Received {
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A receiver of webhooks on loopback. */
export interface WebhookReceiver {
  readonly url: string;
  readonly received: Received[];
  /** What it answers, and after how many milliseconds; to be changed at will. */
  readonly state: { status: number; location: string; delay: number };
  close(): void;
}

/** Starts a receiver that answers as its state says, 200 at once to begin with. */
export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const received: Received[] = [];
  const state = { status: 200, location: "", delay: 0 };
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    received.push({ headers, body: Buffer.concat(chunks).toString() });
    await sleep(state.delay);
    response.writeHead(state.status, state.location === "" ? {} : { location: state.location }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook`, received, state, close: () => server.close() };
}
