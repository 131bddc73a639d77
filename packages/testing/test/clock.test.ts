import { createClock, settled } from "@freshtoken/testing";
import { expect, test } from "vitest";

test("stands still until it is moved", async () => {
  const clock = createClock(1000);
  await settled();

  expect(clock.now()).toBe(1000);
});

test("runs what falls due, in order, each at its own time", async () => {
  const clock = createClock(0);
  const ran: [string, number][] = [];
  clock.timer(() => ran.push(["later", clock.now()]), 20, false);
  clock.timer(() => ran.push(["sooner", clock.now()]), 10, false);
  clock.timer(() => ran.push(["too late", clock.now()]), 31, false);

  await clock.advance(30);

  expect([ran, clock.now()]).toStrictEqual([
    [
      ["sooner", 10],
      ["later", 20],
    ],
    30,
  ]);
});

test("lets what a timer sets off settle before the next one runs", async () => {
  const clock = createClock(0);
  const ran: string[] = [];
  clock.timer(
    () => void Promise.resolve().then(() => clock.timer(() => ran.push("its own"), 5, false)),
    10,
    false,
  );
  clock.timer(() => ran.push("the next"), 20, false);

  await clock.advance(20);

  expect(ran).toStrictEqual(["its own", "the next"]);
});

test("jumps without running anything, and leaves timers as far away as they were", async () => {
  const clock = createClock(0);
  let ran = 0;
  clock.timer(() => ran++, 10, false);
  clock.jump(3_600_000);
  await settled();
  const before = [ran, clock.now()];

  await clock.advance(10);

  expect([before, ran]).toStrictEqual([[0, 3_600_000], 1]);
});

test("counts its timers, and those that would keep a process alive", () => {
  const clock = createClock();
  clock.timer(() => {}, 10, true);
  const undo = clock.timer(() => {}, 10, false);
  const before = clock.timers;
  undo();

  expect([before, clock.timers]).toStrictEqual([
    { all: 2, keepAlive: 1 },
    { all: 1, keepAlive: 1 },
  ]);
});

test("draws the same chances in every run, and never the same twice in a row", () => {
  const draw = () => {
    const clock = createClock();
    return Array.from({ length: 100 }, () => clock.random());
  };

  const chances = draw();

  expect(chances).toStrictEqual(draw());
  expect(chances.every((chance, i) => chance >= 0 && chance < 1 && chance !== chances[i - 1])).toBe(true);
});
