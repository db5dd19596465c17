import { describe, expect, it } from "vitest";
import { type Database, DatabaseUnavailableError } from "./database.ts";
import { guardDatabase } from "./guard-database.ts";

const fault = (code: string, message: string | undefined = "told by the database") =>
  Object.assign(new Error(message), { code });

/** A database that fails so often, and counts how often it was asked. */
function failing(error: Error, times = Number.POSITIVE_INFINITY) {
  let asked = 0;
  const answer = async () => {
    asked += 1;
    if (asked <= times) throw error;
    return [];
  };
  const db: Database = {
    kind: "embedded",
    directory: "",
    query: answer,
    transaction: async (work) => work({ query: answer }),
    script: async () => void (await answer()),
    maintain: async () => void (await answer()),
    close: async () => {},
  };
  return { db: guardDatabase(db), asked: () => asked };
}

describe("a guarded database", () => {
  it.each([
    ["53100", "disk-full", "no space left on the device"],
    ["53200", "busy", "out of memory"],
    ["53300", "busy", "too many connections"],
    ["57014", "busy", "a statement was cancelled"],
    ["57P01", "unreachable", "it shuts down"],
    ["57P03", "unreachable", "it starts up"],
    ["58030", "unreachable", "an error of input or output"],
    ["25006", "read-only", "it takes no changes"],
    ["25P03", "busy", "a transaction was left alone"],
    ["40001", "busy", "transactions have no order"],
    ["40P01", "busy", "a deadlock"],
    ["55P03", "busy", "a lock is taken"],
    ["08006", "unreachable", "the connection failed"],
  ])("tells that %s is a fault of the machine's, %s: %s", async (code, reason) => {
    const { db } = failing(fault(code));
    for (const ask of [
      () => db.query("SELECT 1"),
      () => db.transaction((tx) => tx.query("SELECT 1")),
      () => db.script(""),
    ]) {
      const error = await ask().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DatabaseUnavailableError);
      expect(error).toMatchObject({ reason, cause: { code } });
    }
  });

  it.each(["23505", "22003", "42703", "XX001", "0A000"])("passes %s on as it is, at once", async (code) => {
    const error = fault(code);
    const { db, asked } = failing(error);
    await expect(db.query("SELECT 1")).rejects.toBe(error);
    expect(asked()).toBe(1);
  });

  it.each<[code: string, message?: string | undefined]>([
    ["40001"],
    ["40P01"],
    ["55P03"],
    ["57014"],
    ["26000"],
    ["42P05"],
    ["0A000", "cached plan must not change result type"],
  ])("does again what was rolled back by %s", async (code, message) => {
    for (const run of [
      (db: Database) => db.query("SELECT 1"),
      (db: Database) => db.transaction((tx) => tx.query("SELECT 1")),
    ]) {
      const { db, asked } = failing(fault(code, message), 3);
      expect(await run(db)).toEqual([]);
      expect(asked()).toBe(4);
    }
  });

  it("does not do it for ever", async () => {
    const { db, asked } = failing(fault("40001"));
    await expect(db.query("SELECT 1")).rejects.toThrow(DatabaseUnavailableError);
    expect(asked()).toBe(10);
  });

  it.each(["25006", "53100", "57P01", "08006"])(
    "does not do again what %s ended: it may be done, or is not over",
    async (code) => {
      const { db, asked } = failing(fault(code));
      await expect(db.query("SELECT 1")).rejects.toThrow(DatabaseUnavailableError);
      expect(asked()).toBe(1);
    },
  );

  it("takes no code of the system's for one of the database's", async () => {
    const error = fault("EPIPE");
    await expect(failing(error).db.query("SELECT 1")).rejects.toBe(error);
  });
});
