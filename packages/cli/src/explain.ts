import { LicentricError } from "@licentric/sdk";
import { DatabaseSetupError, ServerStartError } from "@licentric/server";

/**
 * What a person is told of an error: of one that was foreseen, its sentence; of any other, where it happened, so
 * that it can be reported.
 */
export function explain(error: unknown): string {
  const foreseen =
    error instanceof DatabaseSetupError ||
    error instanceof ServerStartError ||
    error instanceof LicentricError ||
    error instanceof RangeError;
  if (foreseen) return `licentric: ${error.message}`;
  return `licentric: unexpected error. ${error instanceof Error ? error.stack : String(error)}`;
}
