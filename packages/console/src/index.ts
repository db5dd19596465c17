import { fileURLToPath } from "node:url";

/**
 * Directory of the console's built pages, which `startServer` of `@licentric/server` serves at `/console`. In a clone of
 * the repository it is empty until they are built: the server says by which command.
 *
 * @example
 * ```ts
 * const server = await startServer({ db, consoleDirectory });
 * console.log(`${server.url}/console`);
 * ```
 */
export const consoleDirectory: string = fileURLToPath(new URL("../pages/", import.meta.url));
