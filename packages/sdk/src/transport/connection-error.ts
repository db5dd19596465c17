import { redactSecrets } from "@licentric/contract";
import { AbortError, ConnectionError, LicentricError, TimeoutError } from "../errors.ts";

/** Returns the error for a caller whose `signal` fired. */
export function abortError(signal: AbortSignal): AbortError {
  return new AbortError("The request was aborted by its signal.", { cause: signal.reason });
}

/** Faults that are the same on every try: a certificate that is not trusted, a request that cannot be sent. */
const isPermanent = (code: string | undefined): boolean =>
  /CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS|^ERR_SSL|^ERR_INVALID|^UND_ERR_NOT_SUPPORTED$/.test(code ?? "");

/** Returns true where another try may help after this failure to connect. */
export function isTransient(error: unknown): error is ConnectionError {
  return error instanceof ConnectionError && !isPermanent(error.code);
}

/**
 * Turns what a transport threw into an error of the client: the same one for the same fault, by whatever way it was sent.
 *
 * @param what - method and origin of the request
 */
export function connectionError(what: string, cause: unknown): LicentricError {
  if (cause instanceof LicentricError) return cause;
  const fault = faultOf(cause);
  // undici keeps the bytes that it could not parse: a response with a secret in it must not come out with an error.
  if (fault !== undefined && "data" in fault) fault.data = undefined;
  const code = codeOf(fault);
  const fields = { code, cause };
  const said = redactSecrets(fault?.message || code || "no response").replace(/\.$/, "");
  // The system's or the dispatcher's own limit, which may be shorter than the client's.
  if (/TIMEOUT|ETIMEDOUT/.test(code ?? "")) {
    return new TimeoutError(`${what}: ${said}.`, { code: "ETIMEDOUT", cause });
  }
  if (code === "UND_ERR_CLOSED" || code === "UND_ERR_DESTROYED") {
    return new LicentricError(
      "The dispatcher of the client is closed: make a client with a new one.",
      fields,
    );
  }
  if (code?.startsWith("UND_ERR_INVALID_ARG")) {
    return new LicentricError(`${what}: the request cannot be sent: ${said}.`, fields);
  }
  const advice =
    code === "ECONNREFUSED" || code === "ENOTFOUND" ? " Is the API running, and is baseUrl right?" : "";
  return new ConnectionError(`${what}: the connection failed: ${said}.${advice}`, fields);
}

/** The fault itself: Node's `fetch` says no more than "fetch failed" around it. */
function faultOf(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  return error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
}

/** Node's code of a fault, where the runtime has one of its own or only says it in words, too. */
function codeOf(fault: Error | undefined): string | undefined {
  const code = fault && "code" in fault && typeof fault.code === "string" ? fault.code : undefined;
  if (/refused/i.test(code ?? fault?.message ?? "")) return "ECONNREFUSED";
  if (code === undefined && /certificate/i.test(fault?.message ?? "")) return "ERR_TLS_CERT";
  return code;
}
