import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** What is between the API and PostgreSQL, and can hold every byte on its way, as a network does that is cut. */
export interface HoldingProxy {
  /** The database, by way of the proxy. */
  readonly databaseUrl: string;
  /** Lets no byte through in either direction. New connections are taken, and get no answer. */
  hold(): void;
  /** Lets everything through that was held, and what comes. */
  release(): void;
  /** Cuts every connection, and leads new ones to another server. */
  lead(databaseUrl: string): void;
  close(): Promise<void>;
}

/** Starts the proxy, on a free port of loopback. */
export async function startHoldingProxy(databaseUrl: string): Promise<HoldingProxy> {
  let target = new URL(databaseUrl);
  const pairs = new Map<Socket, Socket | null>();
  let holding = false;

  const flow = (client: Socket, upstream: Socket) => {
    client.pipe(upstream);
    upstream.pipe(client);
  };
  const open = (client: Socket) => {
    const upstream = connect(Number(target.port || 5432), target.hostname);
    pairs.set(client, upstream);
    upstream.on("error", () => client.destroy());
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
    flow(client, upstream);
  };
  const cut = () => {
    for (const [client, upstream] of pairs) {
      client.destroy();
      upstream?.destroy();
    }
  };
  const server = createServer({ pauseOnConnect: true }, (client) => {
    pairs.set(client, null);
    client.on("error", () => client.destroy());
    client.on("close", () => pairs.delete(client));
    if (!holding) open(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${address.port}`;

  return {
    databaseUrl: url.href,
    hold: () => {
      holding = true;
      for (const [client, upstream] of pairs) {
        for (const socket of [client, upstream]) socket?.unpipe().pause();
      }
    },
    release: () => {
      holding = false;
      for (const [client, upstream] of pairs) {
        if (upstream === null) open(client);
        else flow(client, upstream);
      }
    },
    lead: (other) => {
      target = new URL(other);
      cut();
    },
    close: async () => {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
