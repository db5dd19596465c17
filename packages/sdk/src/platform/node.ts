import { setMaxListeners } from "node:events";
import type { Dispatcher } from "undici";
import { undiciTransport } from "../transport/undici-transport.ts";
import type { Platform } from "./platform.ts";

/** Connections that a client keeps to one origin at most; further requests wait for one. */
const MAX_CONNECTIONS = 256;

/** Milliseconds for which an idle connection is kept where the server does not say. */
const KEEP_ALIVE = 30_000;

/** Node. */
export const platform: Platform = {
  name: `node/${process.versions.node}`,
  openTransport(origin, dispatcher) {
    if (dispatcher) return undiciTransport(() => dispatcher);
    let pool: Promise<Dispatcher> | undefined;
    const open = () => {
      pool ??= openPool(origin);
      return pool;
    };
    return undiciTransport(open, async () => (await pool)?.destroy());
  },
  allowManyListeners(signal) {
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
  },
};

/**
 * A pool of connections, through the proxy that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name, but for an API on this
 * machine. undici is loaded at the first request, since it takes half of what loading the client takes.
 */
async function openPool({ hostname }: URL): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await import("undici");
  // pipelining: 1 is one request at a time on a connection: no call waits behind another's answer.
  const options = { connections: MAX_CONNECTIONS, keepAliveTimeout: KEEP_ALIVE, pipelining: 1 };
  return isLoopback(hostname) ? new Agent(options) : new EnvHttpProxyAgent(options);
}

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
