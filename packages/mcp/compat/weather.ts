import { once } from "node:events";
import { createServer } from "node:http";

/** The service that every charged tool asks: how often it was asked is how often a handler ran. */
export interface Weather {
  readonly url: string;
  /** How often it was asked for a city. */
  asked(city: string): number;
  close(): Promise<void>;
}

/** Starts the service. */
export async function startWeather(): Promise<Weather> {
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const city = new URL(request.url ?? "/", "http://localhost").searchParams.get("city") ?? "";
    counts.set(city, (counts.get(city) ?? 0) + 1);
    response.end(`Sun in ${city}`);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has a port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    asked: (city) => counts.get(city) ?? 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
