import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createFairQueue, type FairQueueLimits, QueueError, type Waiting } from "./fair-queue.ts";

interface Limits extends Partial<Omit<FairQueueLimits, "strangers">> {
  readonly strangers?: Partial<FairQueueLimits["strangers"]>;
  /** Callers that the API has vouched for: all of them by default. */
  readonly known?: string;
}

function setUp({ strangers, known = "abc", ...limits }: Limits = {}) {
  const queue = createFairQueue({
    perCaller: 2,
    total: 3,
    waiting: 4,
    waitingFirst: 1,
    knownCallers: 10,
    ...limits,
    strangers: { share: 1, total: 1, waiting: 2, ...strangers },
  });
  for (const caller of known) queue.trust(caller);
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, how: Partial<Waiting> = {}) =>
    queue.run(name.charAt(0), { patience: 60_000, ...how }, async () => {
      started.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
      return name;
    });
  const end = async (...names: string[]) => {
    for (const name of names) {
      ends.get(name)?.();
      await setImmediate();
    }
  };
  return { queue, run, end, started };
}

describe("a fair queue", () => {
  it("lets so many requests of a caller go, and the others in their order", async () => {
    const { run, end, started } = setUp();
    const all = ["a1", "a2", "a3", "a4"].map((name) => run(name));
    await setImmediate();
    expect(started).toEqual(["a1", "a2"]);
    await end("a2");
    expect(started).toEqual(["a1", "a2", "a3"]);
    await end("a1", "a3", "a4");
    expect(await Promise.all(all)).toEqual(["a1", "a2", "a3", "a4"]);
  });

  it("lets no caller wait behind another's requests, but where the total is reached", async () => {
    const { run, end, started } = setUp();
    for (const name of ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]) void run(name);
    await setImmediate();
    expect(started).toEqual(["a1", "a2", "b1"]);
    // Callers take turns: b came before c, and a has its limit.
    await end("b1");
    expect(started.slice(3)).toEqual(["b2"]);
    await end("a1");
    expect(started.slice(4)).toEqual(["c1"]);
    await end("c1");
    expect(started.slice(5)).toEqual(["a3"]);
  });

  it("takes turns among callers that wait, one request each", async () => {
    const { run, end, started } = setUp({ perCaller: 9, total: 1 });
    for (const name of ["a1", "a2", "a3", "b1", "b2", "c1"]) void run(name);
    await end("a1", "a2", "b1", "c1", "a3", "b2");
    expect(started).toEqual(["a1", "a2", "b1", "c1", "a3", "b2"]);
  });

  it("lets what goes first overtake its own caller's requests alone", async () => {
    const { run, end, started } = setUp({ perCaller: 1, total: 1 });
    for (const name of ["a1", "b1", "a2"]) void run(name);
    void run("a3", { first: true });
    await end("a1", "b1", "a3", "a2");
    expect(started).toEqual(["a1", "b1", "a3", "a2"]);
  });

  it("refuses at once what is more than may wait, counted by caller", async () => {
    const { run, started } = setUp({ waiting: 1 });
    for (const name of ["a1", "a2", "a3"]) void run(name);
    await expect(run("a4")).rejects.toMatchObject({ name: "QueueError", reason: "full" });
    void run("a5", { first: true });
    await expect(run("a6", { first: true })).rejects.toMatchObject({ reason: "full" });
    void run("b1");
    await setImmediate();
    expect(started).toEqual(["a1", "a2", "b1"]);
  });

  it("refuses what has waited too long, which is not sent any more", async () => {
    const { run, end, started } = setUp({ perCaller: 1 });
    void run("a1");
    await expect(run("a2", { patience: 5 })).rejects.toEqual(new QueueError("late"));
    const third = run("a3");
    await end("a1", "a3");
    expect(await third).toBe("a3");
    expect(started).toEqual(["a1", "a3"]);
  });

  it("gives a turn back whatever becomes of the request, and throws what it threw", async () => {
    const { queue, run, end } = setUp({ perCaller: 1 });
    const fails = () =>
      queue.run("a", { patience: 60_000 }, () => {
        throw new Error("broken");
      });
    await expect(fails()).rejects.toThrow("broken");
    await expect(fails()).rejects.toThrow("broken");
    const last = run("a1");
    await end("a1");
    expect(await last).toBe("a1");
  });
});

describe("callers that nobody has vouched for", () => {
  it("share a part of the total, and take turns in it", async () => {
    const { run, end, started } = setUp({ known: "a" });
    for (const name of ["x1", "x2", "y1", "a1", "a2", "a3"]) void run(name);
    await setImmediate();
    expect(started).toEqual(["x1", "a1", "a2"]);
    await end("a1");
    expect(started.slice(3)).toEqual(["a3"]);
    await end("x1");
    expect(started.slice(4)).toEqual(["y1"]);
    await end("y1");
    expect(started.slice(5)).toEqual(["x2"]);
  });

  it("share what may wait: for a further one, one of those that have most waiting is dropped", async () => {
    const { run, end, started } = setUp({ known: "a", strangers: { waiting: 3 } });
    void run("x1");
    const [first, second] = [run("y1"), run("y2")];
    const dropped = expect(second).rejects.toMatchObject({ name: "QueueError", reason: "full" });
    for (const name of ["z1", "w1", "a1"]) void run(name);
    await dropped;
    await end("x1", "w1", "z1", "y1");
    expect(await first).toBe("y1");
    expect([...started].sort()).toEqual(["a1", "w1", "x1", "y1", "z1"]);
  });

  it("have more than their share where nobody known waits, and no more of it where one does", async () => {
    const { run, end, started } = setUp({ known: "a", strangers: { total: 3, waiting: 9 } });
    for (const name of ["x1", "y1", "z1", "w1", "a1", "a2"]) void run(name);
    await setImmediate();
    expect(started).toEqual(["x1", "y1", "z1"]);
    await end("x1", "y1");
    expect(started.slice(3)).toEqual(["a1", "a2"]);
    await end("z1");
    expect(started.slice(5)).toEqual(["w1"]);
  });

  it("leave room to others like them when they have waited too long", async () => {
    const { run, end, started } = setUp({ known: "" });
    void run("x1");
    const late = [run("y1", { patience: 5 }), run("z1", { patience: 5 })];
    for (const call of late) await expect(call).rejects.toEqual(new QueueError("late"));
    void run("y2");
    void run("z2");
    await end("x1", "z2", "y2");
    expect(started).toEqual(["x1", "z2", "y2"]);
  });

  it("go on in a queue of their own as soon as they are vouched for, with what waits already", async () => {
    const { queue, run, end, started } = setUp({ known: "" });
    for (const name of ["x1", "x2", "y1"]) void run(name);
    await setImmediate();
    expect(started).toEqual(["x1"]);
    queue.trust("x");
    await setImmediate();
    expect(started.slice(1).sort()).toEqual(["x2", "y1"]);
    // Neither what runs of it nor what waited counts as a stranger's any more.
    void run("z1");
    void run("z2");
    await end("y1", "z1", "z2");
    expect(started.slice(3)).toEqual(["z1", "z2"]);
  });

  it("are those as well that were vouched for and are not any more", async () => {
    const { queue, run, end, started } = setUp({ known: "ab" });
    for (const name of ["a1", "b1"]) void run(name);
    queue.distrust("a");
    queue.distrust("b");
    void run("a2");
    await end("a1");
    expect(started).toEqual(["a1", "b1"]);
    await end("b1");
    expect(started).toEqual(["a1", "b1", "a2"]);
  });

  it("are those as well that have not been seen for the longest, where too many are known", async () => {
    const { run, started } = setUp({ known: "abc", knownCallers: 3, total: 9 });
    void run("a1");
    const { queue, ...next } = setUp({ known: "abcd", knownCallers: 3, total: 9 });
    for (const name of ["a1", "a2", "b1", "c1", "d1"]) void next.run(name);
    await setImmediate();
    expect(started).toEqual(["a1"]);
    // a was forgotten for d: one of a stranger's requests goes at a time.
    expect(next.started).toEqual(["a1", "b1", "c1", "d1"]);
    queue.trust("a");
    await setImmediate();
    expect(next.started.at(-1)).toBe("a2");
  });
});
