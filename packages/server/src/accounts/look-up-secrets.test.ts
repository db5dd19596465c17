import { describe, expect, it } from "vitest";
import { createSecretLookUp, TRUSTED_FOR } from "./look-up-secrets.ts";

interface Row {
  readonly secret_hash: string;
  readonly good: boolean;
}

/** A database in which each hash is good or not, and that answers when it is told to. */
function lookUpIn(good: Record<string, boolean>) {
  let time = 0;
  const asked: string[][] = [];
  let delay: Promise<void> = Promise.resolve();
  const query = async <T>(_: string, [hashes]: readonly unknown[] = []): Promise<T[]> => {
    const known = [hashes].flat().map(String);
    asked.push(known);
    const rows = known
      .filter((hash) => hash in good)
      .map((hash) => ({ secret_hash: hash, good: good[hash] }));
    await delay;
    return JSON.parse(JSON.stringify(rows));
  };
  const lookUp = createSecretLookUp<Row>(
    { query },
    { statement: "", isGood: (row) => row.good, clock: () => time },
  );
  return {
    ...lookUp,
    asked,
    moveOn: (milliseconds: number) => {
      time += milliseconds;
    },
    answerWhen: (promise: Promise<void>) => {
      delay = promise;
    },
  };
}

describe("the look-up of secrets", () => {
  it("asks once for those that are looked up at once, and for a good one not again for a while", async () => {
    const { find, asked, moveOn } = lookUpIn({ a: true });
    const found = await Promise.all([find("a"), find("a"), find("nobody's")]);
    expect(found).toEqual([{ secret_hash: "a", good: true }, { secret_hash: "a", good: true }, null]);
    moveOn(TRUSTED_FOR - 1);
    await find("a");
    expect(asked).toEqual([["a", "nobody's"]]);
    moveOn(1);
    await find("a");
    expect(asked).toHaveLength(2);
  });

  it("asks each time for one that is not good, or that there is not", async () => {
    const { find, asked } = lookUpIn({ ended: false });
    for (let call = 0; call < 3; call += 1) {
      expect(await find("ended")).toEqual({ secret_hash: "ended", good: false });
      expect(await find("nobody's")).toBeNull();
    }
    expect(asked).toHaveLength(6);
  });

  /** Asks, and lets something happen before the answer comes. */
  const whileAsking = async (lookUp: ReturnType<typeof lookUpIn>, happen: () => void) => {
    let answer = () => {};
    lookUp.answerWhen(new Promise((resolve) => (answer = resolve)));
    const found = lookUp.find("a");
    await expect.poll(() => lookUp.asked.length).toBe(1);
    happen();
    answer();
    expect(await found).toEqual({ secret_hash: "a", good: true });
    await lookUp.find("a");
    return lookUp.asked.length;
  };

  it("takes an answer to be as old as its question", async () => {
    const lookUp = lookUpIn({ a: true });
    expect(await whileAsking(lookUp, () => {})).toBe(1);
    const slow = lookUpIn({ a: true });
    expect(await whileAsking(slow, () => slow.moveOn(TRUSTED_FOR))).toBe(2);
  });

  it("forgets also an answer that is on its way", async () => {
    const lookUp = lookUpIn({ a: true });
    expect(await whileAsking(lookUp, lookUp.forget)).toBe(2);
  });
});
