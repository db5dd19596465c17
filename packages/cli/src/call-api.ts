import type { Licentric } from "@licentric/sdk";
import { loadDevelopmentVariables } from "./development.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import { type Report, withProgress } from "./terminal/progress.ts";

/**
 * Asks the API that `LICENTRIC_BASE_URL` names, with the key in `LICENTRIC_API_KEY`; where neither is set, that of
 * `licentric dev` in this folder.
 *
 * @param doing - what is said once it takes longer than a second, for example "listing agents"
 * @throws CommandError where there is no key
 * @throws LicentricError as the call does
 */
export async function callApi<Result>(
  env: NodeJS.ProcessEnv,
  doing: string,
  call: (client: Licentric, report: Report) => PromiseLike<Result>,
): Promise<Result> {
  await loadDevelopmentVariables(env);
  if (!env["LICENTRIC_API_KEY"]) {
    throw new CommandError(
      "LICENTRIC_API_KEY is not set. Set it to a management key (lk_test_… or lk_live_…); `licentric keys create` " +
        "makes one. In the folder where `licentric dev` runs, none is needed.",
      EXIT.denied,
    );
  }
  const { Licentric } = await import("@licentric/sdk");
  await using client = new Licentric();
  return await withProgress(doing, (report) => call(client, report));
}
