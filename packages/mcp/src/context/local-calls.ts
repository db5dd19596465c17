import { isRecord, property } from "@licentric/paywall/adapter";

/** True for the signal of a request of a protected server that came from this process or from the one that started it. */
const known = new WeakMap<AbortSignal, boolean>();

/** Remembers by which transport of its server a request came. Handlers are not told it. */
export function rememberTransport(signal: AbortSignal | undefined, transport: unknown): void {
  if (signal !== undefined) known.set(signal, isLocalTransport(transport));
}

/**
 * Returns whether a request without any trace of HTTP is known to come from this process or from the one that started it. By
 * the transport of its server, where that is protected; else by the process: only one that reads MCP from its own stdin
 * has such requests. A transport of somebody's own may tell nothing of HTTP and still serve strangers.
 */
export function isKnownLocal(signal: AbortSignal): boolean {
  return known.get(signal) ?? readsMcpFromStdin();
}

/** A transport of the official SDKs that nobody else can reach: the process's own stdin, or memory. */
function isLocalTransport(transport: unknown): boolean {
  if (!isRecord(transport)) return false;
  // What `serveStdio` of SDK v2 hands to its servers.
  if ("_wire" in transport) return isLocalTransport(transport["_wire"]);
  // The SDKs' stdio transport takes any two streams, of a socket too.
  if (typeof transport["processReadBuffer"] === "function") return isOwnStdin(transport["_stdin"]);
  return (
    isRecord(transport["_otherTransport"]) &&
    property(transport["_otherTransport"], "_otherTransport") === transport
  );
}

function isOwnStdin(stream: unknown): boolean {
  return stream !== undefined && stream === process.stdin;
}

/** Returns whether a stdio transport of an official SDK listens to this process's stdin; its listener is known by what it calls. */
function readsMcpFromStdin(): boolean {
  // Not every runtime has one.
  const listeners = process.stdin?.listeners("data") ?? [];
  return listeners.some((listener) => String(listener).includes("processReadBuffer"));
}
