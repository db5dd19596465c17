import { describe, expect, it } from "vitest";
import type { SqlValue } from "../store/database.ts";
import type { AgentCaller } from "./caller.ts";
import { createLastUsed } from "./last-used.ts";

const agent = (credentialId: string): AgentCaller => ({
  kind: "agent",
  credentialId,
  agentId: "a",
  accountId: "c",
  environmentId: "e",
  scopes: [],
  expiresAt: new Date(0),
  ended: false,
  hasBudgets: false,
});

function database() {
  const written: (readonly SqlValue[])[] = [];
  const state = { fails: false };
  const query = async <Row>(_: string, values: readonly SqlValue[] = []): Promise<Row[]> => {
    if (state.fails) throw new Error("away");
    written.push(values);
    return [];
  };
  return { written, state, query };
}

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

describe("last-used times", () => {
  it("are written with one statement for any number of uses, the latest of each", async () => {
    const db = database();
    const lastUsed = createLastUsed(db, { onError: () => expect.unreachable() });
    for (const second of [3, 9, 5]) lastUsed.note(agent("one"), at(second));
    lastUsed.note(agent("two"), at(1));
    await lastUsed.close();
    expect(db.written).toEqual([
      [
        ["one", "two"],
        [at(9).toISOString(), at(1).toISOString()],
      ],
    ]);
  });

  it("are kept while the database is away, and a later use wins", async () => {
    const db = database();
    const errors: unknown[] = [];
    const lastUsed = createLastUsed(db, { onError: (error) => errors.push(error) });
    lastUsed.note(agent("one"), at(1));
    db.state.fails = true;
    await lastUsed.flush();
    lastUsed.note(agent("one"), at(7));
    db.state.fails = false;
    await lastUsed.close();
    expect(errors).toHaveLength(1);
    expect(db.written).toEqual([[["one"], [at(7).toISOString()]]]);
  });
});
