import { expect, test, vi } from "vitest";
import { DeadlineError } from "../src/deadline.ts";
import { settingsOf } from "../src/options.ts";
import { exclusively } from "../src/section.ts";
import { memoryStore, type SessionStore } from "../src/store.ts";
import { createClock, settled } from "./support.ts";

type Exclusive = NonNullable<SessionStore["exclusive"]>;

// A section over a store that takes turns this way, with what came of it so far.
function enter(exclusive: Exclusive | undefined, task: () => Promise<unknown> = async () => "done") {
  const clock = createClock();
  const overtaken = new AbortController();
  const removed = vi.spyOn(overtaken.signal, "removeEventListener");
  const store: SessionStore = { ...memoryStore(), ...(exclusive && { exclusive }) };
  const settings = settingsOf({ refresh: async () => null, refreshTimeout: 1000, clock, store });
  const ran = vi.fn(task);
  const ends: unknown[] = [];
  const end = exclusively(settings, ran, overtaken.signal).then(
    (value) => ends.push(value),
    (error) => ends.push(error),
  );
  return { clock, overtaken, removed, ran, ends, end };
}

const never = () => new Promise<never>(() => {});
const LATE = new DeadlineError("exclusive() of the store took longer than 1000 ms");
const runs: Exclusive = (task) => task();

test("runs the task at once where the store takes no turns", async () => {
  const { clock, ends, end } = enter(undefined);
  await end;

  expect([ends, clock.timers.all]).toStrictEqual([["done"], 0]);
});

test("runs the task in its turn, and leaves no timer and no listener", async () => {
  const { clock, removed, ran, ends, end } = enter(runs);
  await end;

  expect([ends, ran.mock.calls.length, clock.timers.all]).toStrictEqual([["done"], 1, 0]);
  expect(removed).toHaveBeenCalledExactlyOnceWith("abort", expect.any(Function));
});

test("rejects as the task does", async () => {
  const error = new Error("the task fails");
  const { clock, ends, end } = enter(runs, () => Promise.reject(error));
  await end;

  expect([ends, clock.timers.all]).toStrictEqual([[error], 0]);
});

test("comes to what the task came to, though the store fails to let go or says something else", async () => {
  const fails = enter(async (task) => {
    await task();
    throw new Error("cannot release");
  });
  const lies = enter(async (task) => {
    await task();
    return "something else" as never;
  });
  await Promise.all([fails.end, lies.end]);

  expect([fails.ends, lies.ends]).toStrictEqual([["done"], ["done"]]);
});

test.each<[string, Exclusive, string]>([
  ["rejects", () => Promise.reject(new Error("no lock")), "no lock"],
  [
    "throws",
    () => {
      throw new Error("no lock");
    },
    "no lock",
  ],
  ["never calls the task", async () => undefined as never, "exclusive() of the store did not run its task"],
])("rejects where the store %s, having run nothing", async (_, exclusive, message) => {
  const { clock, ran, ends, end } = enter(exclusive);
  await end;

  expect([ends, ran.mock.calls, clock.timers.all]).toStrictEqual([[new Error(message)], [], 0]);
});

test("waits for its turn no longer than the deadline, and says so to the store", async () => {
  const signals: AbortSignal[] = [];
  const { clock, ran, ends } = enter((_, { signal }) => {
    signals.push(signal);
    return never();
  });

  await clock.advance(999);
  expect([ends, signals.map(({ aborted }) => aborted)]).toStrictEqual([[], [false]]);
  await clock.advance(1);

  expect([ends, ran.mock.calls, clock.timers.all]).toStrictEqual([[LATE], [], 0]);
  expect(signals.map(({ reason }) => reason)).toStrictEqual([LATE]);
});

test("runs nothing when its turn comes after it gave up", async () => {
  let turn = async () => {};
  const { clock, ran, ends } = enter((task) => {
    turn = async () => void (await task());
    return never();
  });

  await clock.advance(1000);
  await turn();

  expect([ends, ran.mock.calls, clock.timers.all]).toStrictEqual([[LATE], [], 0]);
});

test("runs nothing that the store calls only after it has let go", async () => {
  let turn = async () => {};
  const { clock, ran, ends, end } = enter((async (task: () => Promise<unknown>) => {
    turn = async () => void (await task());
  }) as never);

  await end;
  await turn();

  const message = "exclusive() of the store did not run its task";
  expect([ends, ran.mock.calls, clock.timers.all]).toStrictEqual([[new Error(message)], [], 0]);
});

test("runs the task once, though the store calls it twice", async () => {
  const { ran, ends, end } = enter(async (task) => {
    await task();
    return task();
  });
  await end;

  expect([ends, ran.mock.calls.length]).toStrictEqual([["done"], 1]);
});

test("runs the task once, though the store calls it twice at a time", async () => {
  const { ran, ends, end } = enter(async (task) => (await Promise.all([task(), task()]))[0]);
  await end;

  expect([ends, ran.mock.calls.length]).toStrictEqual([["done"], 1]);
});

test("sets no deadline to the task itself", async () => {
  let finish = (_: string) => {};
  const { clock, ends, end } = enter(
    runs,
    () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  );

  await clock.advance(1_000_000);
  expect([ends, clock.timers.all]).toStrictEqual([[], 0]);
  finish("done late");
  await end;

  expect(ends).toStrictEqual(["done late"]);
});

test("waits for a store that does not let go no longer than the deadline", async () => {
  const { clock, ends } = enter(async (task) => {
    await task();
    return never();
  });

  await clock.advance(999);
  expect(ends).toStrictEqual([]);
  await clock.advance(1);

  expect([ends, clock.timers.all]).toStrictEqual([["done"], 0]);
});

test("gives up waiting when it is overtaken, and says so to the store", async () => {
  const signals: AbortSignal[] = [];
  const { clock, overtaken, ran, ends, end } = enter((_, { signal }) => {
    signals.push(signal);
    return never();
  });

  overtaken.abort("signed out");
  await end;

  expect([ends, ran.mock.calls, clock.timers.all]).toStrictEqual([["signed out"], [], 0]);
  expect(signals.map(({ reason }) => reason)).toStrictEqual(["signed out"]);
});

test("ends the section at once when it is overtaken, and lets the task run on outside it", async () => {
  let finish = (_: string) => {};
  const released = vi.fn();
  const { overtaken, ends, end, clock } = enter(
    async (task) => {
      const result = await task();
      released();
      return result;
    },
    () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  );

  await settled();
  overtaken.abort();
  await settled();
  expect([released.mock.calls.length, ends]).toStrictEqual([1, []]);
  finish("done outside");
  await end;

  expect([ends, clock.timers.all]).toStrictEqual([["done outside"], 0]);
});

test("keeps no process alive, neither while it waits for its turn nor while the store lets go", async () => {
  const waiting = enter(never);
  const leaving = enter(async (task) => {
    await task();
    return never();
  });
  await settled();

  expect([waiting.clock.timers, leaving.clock.timers]).toStrictEqual([
    { all: 1, keepAlive: 0 },
    { all: 1, keepAlive: 0 },
  ]);
});

test("leaves the signal alone once the task has run", async () => {
  let given: AbortSignal | undefined;
  const { end, overtaken } = enter((task, { signal }) => {
    given = signal;
    return task();
  });
  await end;
  overtaken.abort();

  expect(given?.aborted).toBe(false);
});

// Nearly a promise: it answers to `then` alone.
function thenable(then: () => unknown): object {
  return new Proxy({}, { get: (_, name) => (name === "then" ? then() : undefined) });
}

test.each([
  ["never settles", thenable(() => () => {})],
  [
    "cannot be asked",
    thenable(() => {
      throw new Error("cannot be asked");
    }),
  ],
])("rejects with the reason of a store, also where that is nearly a promise, which %s", async (_, reason) => {
  const { ends, end } = enter(() => Promise.reject(reason));

  await settled();

  expect(ends.map((ended) => Object.is(ended, reason))).toStrictEqual([true]);
  await end;
});
