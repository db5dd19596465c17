import type { Dispatcher } from "undici";
import type { Transport } from "../transport/transport.ts";

/**
 * The differences between Node and the other runtimes. `#platform` is one of two implementations, which the
 * export conditions choose; neither imports a value of this package, so that each can be a file of its own.
 */
export interface Platform {
  /** The runtime and its version, for the `user-agent`. */
  readonly name: string;
  /**
   * Makes the transport to an origin, over a pool of connections or over the dispatcher that is passed; undefined where
   * the runtime sends with its `fetch`.
   */
  readonly openTransport: ((origin: URL, dispatcher: Dispatcher | undefined) => Transport) | undefined;
  /** Lets a signal end many calls at once, which Node would take for a leak. */
  readonly allowManyListeners: (signal: AbortSignal) => void;
}
