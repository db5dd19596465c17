import { randomUUID } from "node:crypto";
import type { ErrorCode } from "@licentric/contract";
import { z } from "zod";

/** Anything that the fake keeps. */
export interface Row extends Record<string, unknown> {
  readonly id: string;
}

/** A refusal as the API words it. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;
  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** Now, or that many seconds later. */
export const iso = (offset = 0) => new Date(Date.now() + offset * 1_000).toISOString();

/** What most rows have. */
export const stamps = () => ({ createdAt: iso(), updatedAt: iso() });

export const text = (value: unknown): string => z.string().parse(value);

export const number = (value: unknown, otherwise: number): number =>
  z.number().default(otherwise).parse(value);

/** A secret of a kind. */
export const token = (prefix: string) => prefix + randomUUID().replaceAll("-", "");

/** What the fake keeps, and how it is found and changed. */
export function createStore() {
  const tables = new Map<string, Map<string, Row>>();
  const table = (name: string): Map<string, Row> => {
    const known = tables.get(name) ?? new Map<string, Row>();
    tables.set(name, known);
    return known;
  };
  const insert = (name: string, row: Record<string, unknown>): Row => {
    const inserted = { id: randomUUID(), metadata: {}, ...row };
    table(name).set(inserted.id, inserted);
    return inserted;
  };
  const find = (name: string, id: unknown): Row => {
    const row = table(name).get(text(id));
    if (row === undefined) throw new Refusal("NOT_FOUND", `No ${name} has the id "${text(id)}" here.`);
    return row;
  };
  const change = (name: string, id: unknown, changes: Readonly<Record<string, unknown>>): Row => {
    const changed = { ...find(name, id), ...changes, updatedAt: iso() };
    table(name).set(changed.id, changed);
    return changed;
  };
  const remove = (name: string, id: unknown): Row => {
    const row = find(name, id);
    table(name).delete(row.id);
    return row;
  };
  const where = (name: string, match: Readonly<Record<string, unknown>>): Row[] =>
    [...table(name).values()].filter((row) =>
      Object.entries(match).every(([member, value]) => value === undefined || row[member] === value),
    );
  return { table, insert, find, change, remove, where };
}

/** A row without its secret. */
export const publicRow = ({ secret: _, ...row }: Row): Row => row;

/** What `Map.groupBy` does, which Node 20 has not. */
export function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
