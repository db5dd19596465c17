import { describe, expect, test } from "vitest";
import { BreakerOpenError, createBreaker, type FailureKind } from "./circuit-breaker.ts";

class Failure extends Error {
  readonly kind: FailureKind;
  constructor(kind: FailureKind) {
    super(kind);
    this.kind = kind;
  }
}

function setUp() {
  const clock = { now: 0 };
  const changes: string[] = [];
  const breaker = createBreaker({
    failureThreshold: 3,
    coolDown: 1000,
    kindOf: (error) => (error instanceof Failure ? error.kind : "unavailable"),
    onChange: (state) => changes.push(state),
    now: () => clock.now,
  });
  const made = { calls: 0 };
  const call = (outcome?: FailureKind, caller?: string) =>
    breaker.run(async () => {
      made.calls++;
      if (outcome) throw new Failure(outcome);
      return "result";
    }, caller);
  const fail = async (times: number) => {
    for (let n = 0; n < times; n++) await expect(call("unavailable")).rejects.toBeInstanceOf(Failure);
  };
  return { breaker, clock, changes, made, call, fail };
}

/** A call that ends when it is told to. */
function held() {
  let succeed = () => {};
  let fail = (_: Failure) => {};
  const promise = new Promise<void>((resolve, reject) => {
    succeed = resolve;
    fail = reject;
  });
  return { promise, succeed, fail };
}

describe("a circuit breaker", () => {
  test("hands results and errors through unchanged while closed", async () => {
    const { breaker, call } = setUp();
    await expect(call()).resolves.toBe("result");
    await expect(call("unavailable")).rejects.toBeInstanceOf(Failure);
    expect(breaker.state()).toBe("closed");
  });

  test("opens after so many failures in a row, and then refuses at once without calling", async () => {
    const { breaker, clock, call, fail, made, changes } = setUp();
    await fail(3);
    expect(breaker.state()).toBe("open");
    clock.now = 400;
    await expect(call()).rejects.toMatchObject({ name: "BreakerOpenError", retryAfter: 600 });
    expect(made.calls).toBe(3);
    expect(changes).toEqual(["open"]);
  });

  test.each([undefined, "answered"] as const)(
    "an answer (%s) in between starts the count anew",
    async (answer) => {
      const { breaker, call, fail } = setUp();
      await fail(2);
      await call(answer).catch(() => {});
      await fail(2);
      expect(breaker.state()).toBe("closed");
    },
  );

  test("a caller's own giving up counts neither way", async () => {
    const { breaker, call, fail } = setUp();
    await fail(2);
    await expect(call("unknown")).rejects.toBeInstanceOf(Failure);
    await fail(1);
    expect(breaker.state()).toBe("open");
  });

  test("after the cool-down one call probes, all others still fail at once", async () => {
    const { breaker, clock, call, fail, made, changes } = setUp();
    await fail(3);
    clock.now = 1000;
    const probe = held();
    const probing = breaker.run(() => probe.promise);
    expect(breaker.state()).toBe("probing");
    const others = await Promise.allSettled([call(), call(), call()]);
    for (const other of others) expect(other).toMatchObject({ reason: expect.any(BreakerOpenError) });
    expect(made.calls).toBe(3);
    probe.succeed();
    await probing;
    expect(breaker.state()).toBe("closed");
    await expect(call()).resolves.toBe("result");
    expect(changes).toEqual(["open", "closed"]);
  });

  test("a probe that fails keeps it open for another cool-down", async () => {
    const { breaker, clock, call, fail, changes } = setUp();
    await fail(3);
    clock.now = 1000;
    await fail(1);
    expect(breaker.state()).toBe("open");
    clock.now = 1999;
    await expect(call()).rejects.toBeInstanceOf(BreakerOpenError);
    clock.now = 2000;
    await expect(call("answered")).rejects.toBeInstanceOf(Failure);
    expect(breaker.state()).toBe("closed");
    expect(changes).toEqual(["open", "closed"]);
  });

  test("a probe that was called off gives its place to the next call", async () => {
    const { clock, call, fail } = setUp();
    await fail(3);
    clock.now = 1000;
    await expect(call("unknown")).rejects.toBeInstanceOf(Failure);
    await expect(call()).resolves.toBe("result");
  });

  test("a probe that never ends does not keep it open for ever", async () => {
    const { breaker, clock, call, fail } = setUp();
    await fail(3);
    clock.now = 1000;
    void breaker.run(() => new Promise(() => {}));
    clock.now = 2000;
    await expect(call()).resolves.toBe("result");
    expect(breaker.state()).toBe("closed");
  });

  test("what began before it opened changes nothing when it ends", async () => {
    const { breaker, clock, fail } = setUp();
    const early = held();
    const late = held();
    const success = breaker.run(() => early.promise);
    const failure = breaker.run(() => late.promise);
    await fail(3);
    early.succeed();
    await success;
    expect(breaker.state()).toBe("open");
    clock.now = 900;
    late.fail(new Failure("unavailable"));
    await expect(failure).rejects.toBeInstanceOf(Failure);
    clock.now = 1000;
    const probe = held();
    void breaker.run(() => probe.promise);
    expect(breaker.state()).toBe("probing");
  });

  test("what failed while another call was answered does not count: the API is slow, not dead", async () => {
    const { breaker, call, fail } = setUp();
    const slow = Array.from({ length: 9 }, held);
    const failures = slow.map(({ promise }) => breaker.run(() => promise));
    await call();
    for (const { fail } of slow) fail(new Failure("unavailable"));
    await Promise.allSettled(failures);
    expect(breaker.state()).toBe("closed");
    await fail(2);
    expect(breaker.state()).toBe("closed");
    expect(breaker.responses()).toBe(1);
  });

  test("an answer to a call from before a failure starts the count anew", async () => {
    const { breaker, call, fail } = setUp();
    const slow = held();
    const answered = breaker.run(() => slow.promise);
    await call();
    await fail(2);
    slow.succeed();
    await answered;
    await fail(2);
    expect(breaker.state()).toBe("closed");
  });

  test("failures of one caller's calls refuse nobody else's, whose answer closes it", async () => {
    const { breaker, call, made } = setUp();
    for (let n = 0; n < 3; n++) await expect(call("unavailable", "a")).rejects.toBeInstanceOf(Failure);
    await expect(call(undefined, "a")).rejects.toBeInstanceOf(BreakerOpenError);
    expect(made.calls).toBe(3);
    await expect(call(undefined, "b")).resolves.toBe("result");
    expect(breaker.state()).toBe("closed");
  });

  test("a second caller's failure makes it an outage for everybody", async () => {
    const { call } = setUp();
    for (let n = 0; n < 3; n++) await expect(call("unavailable", "a")).rejects.toBeInstanceOf(Failure);
    await expect(call("unavailable", "b")).rejects.toBeInstanceOf(Failure);
    for (const caller of ["a", "b", "c"])
      await expect(call(undefined, caller)).rejects.toBeInstanceOf(BreakerOpenError);
  });

  test("a call that throws before it returns a promise is judged like any other", async () => {
    const { breaker, fail } = setUp();
    await fail(2);
    const thrown = breaker.run(() => {
      throw new Failure("unavailable");
    });
    await expect(thrown).rejects.toBeInstanceOf(Failure);
    expect(breaker.state()).toBe("open");
  });
});
