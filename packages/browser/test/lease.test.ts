import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Database } from "../src/database.ts";
import { createLease } from "../src/lease.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What the lease needs of a database, with the value in sight and each transaction in the test's hands. */
function createShelf() {
  const shelf = {
    value: undefined as unknown,
    /** Runs before each transaction ends. */
    before: async () => {},
    database: {
      isThere: () => true,
      async transact(_, __, work) {
        const values = {
          put: (value: unknown) => {
            shelf.value = value;
          },
          delete: () => {
            shelf.value = undefined;
          },
        };
        const result = work(shelf.value, values as unknown as IDBObjectStore);
        await shelf.before();
        return result;
      },
    } satisfies Database as Database,
  };
  return shelf;
}

const never = new AbortController().signal;
const another = { owner: 0, ms: 1_000 };

test("runs a task, and leaves nothing behind", async () => {
  const shelf = createShelf();
  const enter = createLease("lease", 1_000, shelf.database);

  expect(await enter(async () => shelf.value, never)).toMatchObject({ ms: 1_000, since: Date.now() });
  expect([shelf.value, vi.getTimerCount()]).toStrictEqual([undefined, 0]);
});

test("waits until another's lease is over, and not longer", async () => {
  const shelf = createShelf();
  shelf.value = { ...another, since: Date.now() };
  const ran = vi.fn(async () => {});
  const entered = createLease("lease", 1_000, shelf.database)(ran, never);

  await vi.advanceTimersByTimeAsync(999);
  expect(ran).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(151);
  await entered;

  expect(ran).toHaveBeenCalledOnce();
});

test.each([-60_000, 60_000])(
  "waits as long for another's lease where the clock is off by %d ms: it goes by the time that it saw pass",
  async (off) => {
    const shelf = createShelf();
    shelf.value = { ...another, since: Date.now() + off };
    const ran = vi.fn(async () => {});
    const entered = createLease("lease", 1_000, shelf.database)(ran, never);

    await vi.advanceTimersByTimeAsync(999);
    expect(ran).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(151);
    await entered;

    expect(ran).toHaveBeenCalledOnce();
  },
);

test("waits while another's lease is renewed", async () => {
  const shelf = createShelf();
  const ran = vi.fn(async () => {});
  shelf.value = { ...another, since: 0 };
  const entered = createLease("lease", 1_000, shelf.database)(ran, never);
  for (let since = 1; since <= 5; since++) {
    await vi.advanceTimersByTimeAsync(800);
    shelf.value = { ...another, since };
  }

  expect(ran).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1_300);
  await entered;
});

test("asks for nothing any more where it was given up between two looks", async () => {
  const shelf = createShelf();
  const controller = new AbortController();
  const looks = vi.fn(async () => {});
  shelf.value = { ...another, since: Date.now() };
  shelf.before = looks;
  const outcome = createLease(
    "lease",
    1_000,
    shelf.database,
  )(async () => {}, controller.signal).catch(String);
  await vi.advanceTimersByTimeAsync(0);
  controller.abort("given up");
  await vi.advanceTimersByTimeAsync(150);

  expect(await outcome).toBe("given up");
  expect(looks).toHaveBeenCalledOnce();
});

test("drops nothing where it was given up while another had the lease", async () => {
  const shelf = createShelf();
  const controller = new AbortController();
  const looks = vi.fn(async () => controller.abort("given up"));
  shelf.value = { ...another, since: Date.now() };
  shelf.before = looks;

  await expect(createLease("lease", 1_000, shelf.database)(async () => {}, controller.signal)).rejects.toBe(
    "given up",
  );
  await vi.advanceTimersByTimeAsync(0);
  expect(looks).toHaveBeenCalledOnce();
});

test("leaves its lease to end by itself where its page is left: no transaction holds the page", async () => {
  const shelf = createShelf();
  const controller = new AbortController();
  const task = () => {
    controller.abort();
    return Promise.reject(new Error("left"));
  };

  await expect(createLease("lease", 1_000, shelf.database)(task, controller.signal)).rejects.toThrow("left");
  expect([shelf.value, vi.getTimerCount()]).toMatchObject([{ ms: 1_000 }, 0]);
});

test("takes its turn anew where it was frozen after it had taken it", async () => {
  const shelf = createShelf();
  const taken: number[] = [];
  shelf.before = async () => {
    taken.push(Date.now());
    if (taken.length === 1) vi.advanceTimersByTime(1_000);
  };
  const entered = createLease("lease", 1_000, shelf.database)(async () => shelf.value, never);
  await vi.advanceTimersByTimeAsync(150);

  expect(await entered).toMatchObject({ since: taken[1] });
});

test("rejects where another has taken the turn over, whose lease it leaves alone, and the task runs on", async () => {
  const shelf = createShelf();
  let finish = () => {};
  const ended = vi.fn();
  const task = () =>
    new Promise<void>((resolve) => {
      finish = resolve;
    }).then(ended);
  const outcome = createLease("lease", 900, shelf.database)(task, never).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(0);
  const others = { ...another, since: Date.now() };
  shelf.value = others;
  await vi.advanceTimersByTimeAsync(300);

  expect(await outcome).toStrictEqual(new Error("Another page has taken the turn over"));
  finish();
  await vi.advanceTimersByTimeAsync(0);
  expect(ended).toHaveBeenCalledOnce();
  expect(shelf.value).toBe(others);
});

test("does not take its turn for unbroken where another has had one meanwhile", async () => {
  const shelf = createShelf();
  const outcome = createLease(
    "lease",
    900,
    shelf.database,
  )(() => new Promise(() => {}), never).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(0);
  shelf.value = undefined;
  await vi.advanceTimersByTimeAsync(300);

  expect(await outcome).toStrictEqual(new Error("Another page has taken the turn over"));
});

test("drops what it took where it was given up meanwhile, and runs nothing", async () => {
  const shelf = createShelf();
  const controller = new AbortController();
  shelf.before = async () => controller.abort(new Error("given up"));
  const ran = vi.fn(async () => {});

  await expect(createLease("lease", 1_000, shelf.database)(ran, controller.signal)).rejects.toThrow(
    "given up",
  );
  await vi.advanceTimersByTimeAsync(0);
  expect([ran.mock.calls, shelf.value]).toStrictEqual([[], undefined]);
});
