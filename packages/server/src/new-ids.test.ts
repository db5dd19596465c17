import { randomBytes } from "node:crypto";
import { validate, version } from "uuid";
import { describe, expect, it } from "vitest";
import { createIds } from "./new-ids.ts";

describe("new ids", () => {
  it("are UUIDs of version 7 that grow, also within a millisecond and where the clock goes back", () => {
    const start = Date.UTC(2027, 0, 1);
    const times = [0, 0, 0, 1, 1, -5, 0, 2];
    let calls = 0;
    const newId = createIds(randomBytes, () => start + (times[calls++ % times.length] ?? 0));
    const ids = Array.from({ length: 1_000 }, newId);
    for (const id of ids) expect([validate(id), version(id)]).toEqual([true, 7]);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(Number.parseInt(ids[0]?.slice(0, 13).replace("-", "") ?? "", 16)).toBe(start);
  });

  it("are others in another process in the same millisecond", () => {
    const [one, other] = [createIds(randomBytes, () => 1), createIds(randomBytes, () => 1)];
    const ids = Array.from({ length: 1_000 }, () => [one(), other()]).flat();
    expect(new Set(ids).size).toBe(2_000);
  });
});
