/** A request handler as the SDKs keep it: it gets the whole JSON-RPC request. */
export type RequestHandler = (request: unknown, context: unknown) => unknown;
