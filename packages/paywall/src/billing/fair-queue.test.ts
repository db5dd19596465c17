import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createFairQueue, QueueError, type Waiting } from "./fair-queue.ts";

function setUp({ perCaller = 2, total = 3, waiting = 4 } = {}) {
  const queue = createFairQueue({ perCaller, total, waiting, waitingFirst: 1 });
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
