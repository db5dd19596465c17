import type { Dispatcher } from "undici";
import type { Transport } from "./transport.ts";

/**
 * Sends with a dispatcher of undici.
 *
 * @param open - gives the dispatcher, which is asked for at each request
 * @param close - lets go of its connections; a dispatcher that is somebody else's keeps them
 */
export function undiciTransport(
  open: () => Dispatcher | Promise<Dispatcher>,
  close: () => Promise<void> = async () => undefined,
): Transport {
  return {
    async request({ body, ...request }, signal) {
      const dispatcher = await open();
      const response = await dispatcher.request({
        ...request,
        body: body ?? null,
        signal,
        // The client has one timer for all phases; undici's are per phase and coarse.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      return { status: response.statusCode, headers: response.headers, body: response.body };
    },
    close,
  };
}
