import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Licentric } from "@licentric/sdk";
import { prepareDatabase } from "../../../server/test/support/prepared-database.ts";
import { type Ended, licentric } from "./licentric.ts";

/** A real API in a process of its own, and commands that ask it. */
export interface TestApi {
  readonly url: string;
  readonly dataDirectory: string;
  readonly env: { readonly LICENTRIC_API_KEY: string; readonly LICENTRIC_BASE_URL: string };
  readonly client: Licentric;
  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ended>;
  /** Runs a command with `--json` and reads what it prints; fails where it does. */
  json(...args: string[]): Promise<unknown>;
  close(): Promise<void>;
}

/** Starts an API on an embedded database in a temporary folder. */
export async function startApi(): Promise<TestApi> {
  const directory = await mkdtemp(join(tmpdir(), "licentric-cli-api-"));
  const dataDirectory = join(directory, "data");
  await prepareDatabase(dataDirectory);
  const dev = licentric(["dev", "--json", "--port", "0", "--data-dir", dataDirectory]);
  const { url, apiKey } = JSON.parse(await dev.firstLine());
  const env = { LICENTRIC_API_KEY: apiKey, LICENTRIC_BASE_URL: url };
  const client = new Licentric({ apiKey, baseUrl: url });
  const run = (...args: string[]) => licentric(args, env).ended();
  return {
    url,
    dataDirectory,
    env,
    client,
    run,
    json: async (...args) => {
      const { stdout, stderr, code } = await run(...args, "--json");
      if (code !== 0) throw new Error(`licentric ${args.join(" ")} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout);
    },
    close: async () => {
      await client.close();
      dev.child.kill("SIGTERM");
      await dev.ended();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
