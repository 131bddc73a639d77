import { expect, test, vi } from "vitest";
import { createQueue, type Queue, type Wait } from "../src/queue.ts";

const HELD: Wait = { held: true, beyond: 0 };

// Each that waits says how it ended, in the order of ending.
function lineUp(queue: Queue, ...waits: Partial<Wait>[]): { ends: string[]; all: Promise<unknown> } {
  const ends: string[] = [];
  const all = waits.map((wait, index) =>
    queue.wait({ ...HELD, ...wait }).then(
      () => ends.push(`${index} goes`),
      (error) => ends.push(`${index} ${(error as Error).message}`),
    ),
  );
  return { ends, all: Promise.all(all) };
}

// Counts what is added to a signal and what is taken away again.
function watched(): { controller: AbortController; listeners: () => [added: number, removed: number] } {
  const controller = new AbortController();
  const added = vi.spyOn(controller.signal, "addEventListener");
  const removed = vi.spyOn(controller.signal, "removeEventListener");
  const aborts = (calls: readonly (readonly unknown[])[]) =>
    calls.filter(([type]) => type === "abort").length;
  return { controller, listeners: () => [aborts(added.mock.calls), aborts(removed.mock.calls)] };
}

test("wakes those who wait in the order they came", async () => {
  const queue = createQueue(() => {});
  const { ends, all } = lineUp(queue, {}, { held: false }, {}, { beyond: 7 });

  const released = queue.wake("f");
  await all;

  expect(ends).toStrictEqual(["0 goes", "1 goes", "2 goes", "3 goes"]);
  expect([released, queue.held]).toStrictEqual([3, 0]);
});

test("resolves with the stamp that it was woken with, whatever came since", async () => {
  const queue = createQueue(() => {});
  const first = queue.wait(HELD);
  queue.wake("f");
  const second = queue.wait({ held: false, beyond: 0 });
  queue.wake("");

  expect(await Promise.all([first, second])).toStrictEqual(["f", ""]);
});

test("lets those who come while it wakes wait for the next time", async () => {
  const queue = createQueue(() => {});
  const { all } = lineUp(queue, {});
  const next = all.then(() => queue.wait(HELD));

  queue.wake("f");
  await all;

  expect(queue.held).toBe(1);
  expect(queue.wake("f")).toBe(1);
  await next;
});

test("counts those who are held, and not those who were refused", () => {
  const queue = createQueue(() => {});

  void queue.wait(HELD);
  void queue.wait({ held: false, beyond: 0 });
  void queue.wait(HELD);

  expect(queue.held).toBe(2);
});

test("says when the first has come and when the last has left", async () => {
  const busy = vi.fn();
  const queue = createQueue(busy);
  const { all } = lineUp(queue, {}, { held: false });

  queue.wake("f");
  await all;
  const again = lineUp(queue, {});
  queue.fail(new Error("fails"));
  await again.all;

  expect(busy.mock.calls).toStrictEqual([[true], [false], [true], [false]]);
});

test("rejects at once whose signal has aborted before, with its reason, and does not listen", async () => {
  const queue = createQueue(() => {});
  const { controller, listeners } = watched();
  controller.abort(new Error("aborted before"));

  await expect(queue.wait({ ...HELD, signal: controller.signal })).rejects.toThrow("aborted before");
  expect([queue.held, listeners()]).toStrictEqual([0, [0, 0]]);
});

test("lets whose signal aborts leave with its reason, and no other", async () => {
  const queue = createQueue(() => {});
  const { controller, listeners } = watched();
  const { signal } = controller;
  const { ends, all } = lineUp(queue, {}, { signal }, { signal, held: false }, { signal: null }, {});

  controller.abort(new Error("aborts"));
  expect(queue.held).toBe(3);
  queue.wake("f");
  await all;

  expect(ends.sort()).toStrictEqual(["0 goes", "1 aborts", "2 aborts", "3 goes", "4 goes"]);
  expect(listeners()).toStrictEqual([1, 1]);
});

test("rejects with whatever the signal was aborted with", async () => {
  const queue = createQueue(() => {});
  const controller = new AbortController();
  const waiting = queue.wait({ ...HELD, signal: controller.signal }).catch((reason: unknown) => reason);

  controller.abort("a word");

  expect(await waiting).toBe("a word");
});

test("listens once to a signal that many share, until the last of them has left", async () => {
  const queue = createQueue(() => {});
  const { controller, listeners } = watched();
  const { signal } = controller;
  const { ends, all } = lineUp(queue, { signal, beyond: 0 }, { signal, beyond: 1 }, { signal, beyond: 0 });

  expect(listeners()).toStrictEqual([1, 0]);
  queue.fail(new Error("fails"), 0);
  expect(listeners()).toStrictEqual([1, 0]);
  queue.wake("f");
  await all;

  expect(ends.sort()).toStrictEqual(["0 fails", "1 goes", "2 fails"]);
  expect(listeners()).toStrictEqual([1, 1]);
});

test("listens anew to a signal whose listener had gone", async () => {
  const queue = createQueue(() => {});
  const { controller, listeners } = watched();
  const { signal } = controller;
  await Promise.all([lineUp(queue, { signal }).all, queue.wake("f")]);

  const { ends, all } = lineUp(queue, { signal });
  controller.abort(new Error("aborts"));
  await all;

  expect(ends).toStrictEqual(["0 aborts"]);
  expect(listeners()).toStrictEqual([2, 2]);
});

test("enters nothing for what is no signal, however often", async () => {
  const busy = vi.fn();
  const queue = createQueue(busy);
  const signal = new AbortController() as never;

  await expect(queue.wait({ ...HELD, signal })).rejects.toThrow(TypeError);
  await expect(queue.wait({ ...HELD, signal })).rejects.toThrow(TypeError);
  expect([queue.held, queue.wake("f"), busy.mock.calls]).toStrictEqual([0, 0, []]);
});

test.each<[string, number | undefined, string[]]>([
  ["through generation 0", 0, ["0 fails", "1 fails", "2 goes", "3 goes"]],
  ["through generation 1", 1, ["0 fails", "1 fails", "2 fails", "3 goes"]],
  ["through generation −2: nobody", -2, ["0 goes", "1 goes", "2 goes", "3 goes"]],
  ["through them all", undefined, ["0 fails", "1 fails", "2 fails", "3 fails"]],
])("fails those who wait for a token set no newer, and only those: %s", async (_, through, expected) => {
  const queue = createQueue(() => {});
  const { ends, all } = lineUp(queue, { beyond: -1 }, { beyond: 0 }, { beyond: 1 }, { beyond: 2 });

  queue.fail(new Error("fails"), through);
  queue.wake("f");
  await all;

  expect(ends.sort()).toStrictEqual(expected);
});

test("fails a lenient one only together with all", async () => {
  const queue = createQueue(() => {});
  const first = lineUp(queue, { lenient: true }, { lenient: false });
  queue.fail(new Error("fails"), 0);
  queue.wake("f");
  await first.all;

  const second = lineUp(queue, { lenient: true }, { lenient: false });
  queue.fail(new Error("ends"));
  await second.all;

  expect([first.ends.sort(), second.ends]).toStrictEqual([
    ["0 goes", "1 fails"],
    ["0 ends", "1 ends"],
  ]);
});

test.each([
  ["woken", (queue: Queue) => void queue.wake("f")],
  ["failed", (queue: Queue) => queue.fail(new Error("fails"))],
  ["aborted", (_: Queue, controller: AbortController) => controller.abort()],
])("settles 100,000 on one signal with work in proportion, and leaves nothing: %s", async (_, end) => {
  const busy = vi.fn();
  const queue = createQueue(busy);
  const { controller, listeners } = watched();
  const removals = vi.spyOn(Set.prototype, "delete");
  const waits = Array.from({ length: 100_000 }, () => queue.wait({ ...HELD, signal: controller.signal }));

  end(queue, controller);
  const work = removals.mock.calls.length;
  removals.mockRestore();
  await Promise.allSettled(waits);

  expect(work).toBe(200_000);
  expect([queue.held, listeners(), busy.mock.calls]).toStrictEqual([0, [1, 1], [[true], [false]]]);
});

test("lets one of 100,000 leave without touching the others", async () => {
  const queue = createQueue(() => {});
  const { controller } = watched();
  for (let count = 0; count < 100_000; count++) void queue.wait(HELD);
  const one = queue.wait({ ...HELD, signal: controller.signal }).catch(() => "gone");
  const visited: number[] = [];
  const { values } = Set.prototype;
  const visits = vi.spyOn(Set.prototype, Symbol.iterator).mockImplementation(function (this: Set<unknown>) {
    visited.push(this.size);
    return values.call(this);
  });

  controller.abort();
  visits.mockRestore();

  expect([await one, visited, queue.held]).toStrictEqual(["gone", [1], 100_000]);
});
