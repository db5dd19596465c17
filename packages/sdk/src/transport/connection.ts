import { LicentricError } from "../errors.ts";
import { send, type TextAnswer, type Try } from "./send.ts";
import type { Transport } from "./transport.ts";

/** A client's way to the API, which can be closed. */
export interface Connection {
  /**
   * Sends a request once and reads its response.
   *
   * @throws LicentricError where the connection is closed
   * @throws what {@link send} throws
   */
  send(request: Try): Promise<TextAnswer>;
  /** Waits for the requests in flight, and lets go of the transport. */
  close(): Promise<void>;
}

/** Opens a connection over a transport. */
export function openConnection(transport: Transport): Connection {
  const inFlight = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    await Promise.allSettled(inFlight);
    await transport.close();
  }

  return {
    async send(request) {
      if (closing) {
        throw new LicentricError("The client is closed: make a new one to send more requests.");
      }
      const sent = send(transport, request);
      inFlight.add(sent);
      try {
        return await sent;
      } finally {
        inFlight.delete(sent);
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
