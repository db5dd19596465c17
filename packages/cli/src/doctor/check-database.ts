import type { Config } from "@licentric/server";
import type { Check } from "./check.ts";

const name = "database";

/** Checks that the database that the configuration names can be used, without changing it. */
export async function checkDatabase({ database }: Config): Promise<Check> {
  const { DatabaseSetupError, inspectDatabase } = await import("@licentric/server");
  const what = "dataDirectory" in database ? `The embedded database ${database.dataDirectory}` : "PostgreSQL";
  try {
    const state = await inspectDatabase(database);
    switch (state) {
      case "empty":
        return {
          name,
          status: "skipped",
          message: `${what} is empty.`,
          advice: "The first start fills it; it is not needed here where the API runs elsewhere.",
        };
      case "older":
        return {
          name,
          status: "warning",
          message: `${what} is of an older version.`,
          advice: "Make a backup; the next start brings it to this version.",
        };
      case "newer":
        return {
          name,
          status: "failed",
          message: `${what} is of a newer version than this command.`,
          advice: "Update: npm install licentric@latest.",
        };
      case "in-use":
        return { name, status: "ok", message: `${what} is open in another process, most likely the API.` };
      case "current":
        return { name, status: "ok", message: `${what} can be used.` };
    }
  } catch (error) {
    if (!(error instanceof DatabaseSetupError)) throw error;
    return { name, status: "failed", message: error.message };
  }
}
