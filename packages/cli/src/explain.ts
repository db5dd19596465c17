import {
  AuthenticationError,
  ConflictError,
  ConnectionError,
  InternalServerError,
  LicentricError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ValidationError,
} from "@licentric/sdk";
import { CommandError, EXIT, type ExitCode } from "./exit-codes.ts";
import { type Explanation, explainOwn } from "./explanation.ts";

/**
 * Explains an error: one that was foreseen by its message; any other by where it happened, so that it can be
 * reported.
 */
export function explain(error: unknown): Explanation {
  if (error instanceof LicentricError) return explainApi(error);
  if (error instanceof CommandError) return explainOwn(error);
  const exitCode = error instanceof Error ? SERVER_ERRORS[error.name] : undefined;
  if (error instanceof Error && exitCode !== undefined)
    return explainOwn({ message: error.message, exitCode });
  return explainOwn({
    message: `unexpected error. ${error instanceof Error ? error.stack : String(error)}`,
    exitCode: EXIT.error,
  });
}

/**
 * The errors that the server's own functions throw on purpose, with their exit codes. They are listed by
 * name: the server's classes are not loaded here, for a command that only asks the API must not wait for a
 * database to load.
 */
const SERVER_ERRORS: Readonly<Record<string, ExitCode>> = {
  ArchiveError: EXIT.error,
  ConfigError: EXIT.usage,
  DatabaseSetupError: EXIT.error,
  DatabaseUnavailableError: EXIT.unreachable,
  ServerStartError: EXIT.error,
};

function explainApi(error: LicentricError): Explanation {
  const { message, code, status, requestId, details } = error;
  const request = requestId === undefined ? "" : ` (request ${requestId})`;
  const advice = adviceFor(error);
  return {
    exitCode: exitCodeOf(error),
    text: `licentric: ${message}${request}${advice === undefined ? "" : `\n${advice}`}`,
    envelope: {
      error: message,
      ...(code !== undefined && { code }),
      ...(status !== undefined && { status }),
      ...(requestId !== undefined && { requestId }),
      ...(details !== undefined && { details }),
    },
  };
}

/**
 * Returns true where something else answered in the API's place: its status says nothing of a key or a
 * resource.
 */
function isForeign({ status, answeredByApi }: LicentricError): boolean {
  return status !== undefined && status >= 300 && !answeredByApi;
}

function adviceFor(error: LicentricError): string | undefined {
  if (isForeign(error)) {
    return `What answered ${error.status} at this address is not the API, so it says nothing of your key. Check that LICENTRIC_BASE_URL is the API's origin, and look at the proxy, firewall or sign-in page before it; \`licentric doctor\` looks, too.`;
  }
  if (error instanceof ConnectionError) return "`licentric doctor` looks for the cause.";
  if (error instanceof AuthenticationError) return "`licentric doctor` checks the key.";
  if (error instanceof ConflictError && error.message.startsWith("The period is still open."))
    return "`licentric close <period>` closes it: its id, or `previous` for the last one that is over.";
  return undefined;
}

function exitCodeOf(error: LicentricError): ExitCode {
  // A proxy's own trouble may pass by itself; the API was not reached by whatever else it says.
  if (isForeign(error)) {
    const mayPass = error instanceof RateLimitError || error instanceof InternalServerError;
    return mayPass ? EXIT.unavailable : EXIT.unreachable;
  }
  if (error instanceof ValidationError) return EXIT.usage;
  if (error instanceof AuthenticationError || error instanceof PermissionDeniedError) return EXIT.denied;
  if (error instanceof NotFoundError) return EXIT.notFound;
  if (error instanceof ConnectionError) return EXIT.unreachable;
  if (error instanceof ConflictError) return EXIT.conflict;
  if (error instanceof RateLimitError || error instanceof InternalServerError) return EXIT.unavailable;
  return EXIT.error;
}
