import { type DestinationStream, type Logger, pino } from "pino";
import { sqlState } from "./store/database.ts";

/**
 * Properties of an error that are logged besides its name, message and stack. None of them comes from a
 * request or a row.
 */
const TOLD = [
  "code",
  "reason",
  "severity",
  "table",
  "constraint",
  "routine",
  "type",
  "statusCode",
  "requestId",
];

/**
 * Makes the server's log: JSON lines. Of an error only members that are known to hold no value are written: drivers
 * and clients hang whole rows, requests and headers on theirs.
 */
export function createLog(level: string, destination: DestinationStream): Logger {
  return pino({ level, serializers: { err: loggedError } }, destination);
}

/** An error as it stands in the log. */
function loggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const message = withoutValues(error);
  return {
    name: error.name,
    message,
    stack: error.stack?.replace(error.message, () => message),
    ...Object.fromEntries(Object.entries(error).filter(([name]) => TOLD.includes(name))),
    ...(error.cause !== undefined && { cause: loggedError(error.cause) }),
  };
}

/** PostgreSQL's messages about values (SQLSTATE 22…) quote them: `invalid input syntax for type uuid: "…"`. */
function withoutValues(error: Error): string {
  return sqlState(error)?.startsWith("22") ? error.message.replace(/"[^"]*"?/g, '"…"') : error.message;
}
