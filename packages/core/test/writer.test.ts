import { expect, test, vi } from "vitest";
import { DeadlineError } from "../src/deadline.ts";
import { settingsOf } from "../src/options.ts";
import { memoryStore, type SessionRecord, type SessionStore } from "../src/store.ts";
import { createWriter, type Write } from "../src/writer.ts";
import { createClock, type ManualClock, settled } from "./support.ts";

const record = (family: string, generation: number): SessionRecord => ({
  family,
  generation,
  tokens: { accessToken: `a${generation}` },
});
const [f0, f1, f2, g0] = [record("f", 0), record("f", 1), record("f", 2), record("g", 0)];
const shown = (saved: SessionRecord | null | undefined) =>
  saved ? `${saved.family}${saved.generation}` : "nothing";

type Save = SessionStore["save"];
interface Thought {
  look(): Promise<SessionRecord | null>;
  expected(): SessionRecord | null | undefined;
}
const never = () => new Promise<never>(() => {});

// A writer to a store that saves like this and is thought to hold that, with the ledger of all that happened.
function writerOn(
  save: Save = () => true,
  { look = async () => null, expected = () => null }: Partial<Thought> = {},
) {
  const ledger: string[] = [];
  const steady: ManualClock = createClock();
  const clock = Object.assign(steady, { random: () => 0.5 });
  const store: SessionStore = {
    ...memoryStore(),
    save(...args) {
      ledger.push(`save ${args.map(shown).join(" over ")}`);
      return save(...args);
    },
  };
  const settings = settingsOf({ refresh: async () => null, refreshTimeout: 1000, clock, store });
  const looked = async () => {
    ledger.push("look");
    return look();
  };
  const writer = createWriter(settings, expected, looked, (error) => ledger.push((error as Error).message));
  const write = (saved: SessionRecord | null, wanted: Partial<Write> = {}) =>
    writer.write({
      record: saved,
      due: () => true,
      ended: (written) => ledger.push(`${shown(saved)} ${written}`),
      ...wanted,
    });
  return { writer, write, ledger, clock };
}

// Saves as each of these does, in turn; then as the last.
function inTurn(...saves: Save[]): Save {
  return (...args) => ((saves.length > 1 ? saves.shift() : saves[0]) as Save)(...args);
}

const fails: Save = () => Promise.reject(new Error("disk full"));
const throws: Save = () => {
  throw new Error("disk full");
};
const stores: Save = async () => true;
const loses: Save = () => false;

test.each<[string, Save]>([
  ["true", () => true],
  ["nothing", () => {}],
  ["a promise of true", async () => true],
  ["a promise of nothing", async () => {}],
])("takes a save that returns %s for stored", async (_, save) => {
  const { write, ledger, clock } = writerOn(save);

  expect(await write(f0)).toBe("stored");
  expect([ledger, clock.timers.all]).toStrictEqual([["save f0 over nothing", "f0 stored"], 0]);
});

test("tells the store what it is thought to hold", async () => {
  const thoughts = [f0, f0, null, null];
  const { write, ledger } = writerOn(stores, { expected: () => thoughts.shift() });

  await write(f1);
  await write(f0);

  expect(ledger.filter((line) => line.startsWith("save"))).toStrictEqual([
    "save f1 over f0",
    "save f0 over nothing",
  ]);
});

test("looks at what is to be overwritten, and writes over nothing else", async () => {
  const { write, ledger } = writerOn(stores, { expected: () => undefined, look: async () => f2 });

  await write(g0);
  await write(null);

  expect(ledger).toStrictEqual([
    "look",
    "save g0 over f2",
    "g0 stored",
    "look",
    "save nothing over f2",
    "nothing stored",
  ]);
});

test("writes a removal also where nothing is found, since a store may keep that somebody has signed out", async () => {
  const { write, ledger } = writerOn(stores, { expected: () => undefined, look: async () => null });

  await write(null);

  expect(ledger).toStrictEqual(["look", "save nothing over nothing", "nothing stored"]);
});

test("writes over what has come since it looked at what is to be overwritten", async () => {
  const looks = [f1, f2];
  const { write, ledger } = writerOn(inTurn(loses, stores), {
    expected: () => undefined,
    look: async () => looks.shift() ?? null,
  });

  expect(await write(g0)).toBe("stored");
  expect(ledger).toStrictEqual(["look", "save g0 over f1", "look", "save g0 over f2", "g0 stored"]);
});

test("writes over whoever has overwritten it meanwhile, so that the last of them stays", async () => {
  const looks = [f0, f1, f2, g0];
  const { write, ledger } = writerOn(inTurn(loses, loses, loses, stores), {
    expected: () => undefined,
    look: async () => looks.shift() ?? null,
  });

  expect(await write(null)).toBe("stored");
  expect(ledger.filter((line) => line !== "look")).toStrictEqual([
    "save nothing over f0",
    "save nothing over f1",
    "save nothing over f2",
    "save nothing over g0",
    "nothing stored",
  ]);
});

test("gives up for now after ten that came first", async () => {
  let generation = 0;
  const { write, ledger } = writerOn(loses, {
    expected: () => undefined,
    look: async () => record("f", generation++),
  });

  expect(await write(g0)).toBe("failed");
  expect(ledger.filter((line) => line.startsWith("save g0"))).toHaveLength(11);
});

test("writes over nothing that it does not know where nothing was to be there", async () => {
  const { write, ledger } = writerOn(inTurn(loses, stores), { expected: () => null, look: async () => f1 });

  expect(await write(g0)).toBe("failed");
  expect(ledger.filter((line) => line.startsWith("save g0"))).toStrictEqual(["save g0 over nothing"]);
});

test("tries again later what it has lost against nobody knows what", async () => {
  const look = () => Promise.reject(new Error("unreadable"));
  const { write, ledger } = writerOn(inTurn(loses, stores), { expected: () => undefined, look });

  expect(await write(g0)).toBe("failed");
  expect(ledger.filter((line) => line.startsWith("save g0"))).toStrictEqual(["save g0"]);
});

test("compares as soon as it can see what is there", async () => {
  const looks = [() => Promise.reject(new Error("unreadable")), async () => null];
  const { write, ledger } = writerOn(inTurn(loses, stores), {
    expected: () => undefined,
    look: () => (looks.shift() ?? (async () => null))(),
  });

  expect(await write(g0)).toBe("stored");
  expect(ledger.filter((line) => line.startsWith("save"))).toStrictEqual(["save g0", "save g0 over nothing"]);
});

test("overwrites what is no record once, and then tries again later", async () => {
  const { write, ledger } = writerOn(loses, { expected: () => null });

  expect(await write(g0)).toBe("failed");
  expect(ledger.filter((line) => line.startsWith("save g0"))).toStrictEqual([
    "save g0 over nothing",
    "save g0",
  ]);
});

test("does not try again what a write that came first has replaced", async () => {
  const { writer, write, ledger, clock } = writerOn(inTurn(fails, stores));
  const timer = vi.spyOn(clock, "timer");
  await write(f0);
  const again = timer.mock.lastCall?.[0];

  const next = write(f1);
  again?.();
  await next;
  await writer.close();

  expect(ledger.filter((line) => line.startsWith("save"))).toStrictEqual([
    "save f0 over nothing",
    "save f1 over nothing",
  ]);
});

test("overwrites whatever is there where nobody can see what it is", async () => {
  const look = () => Promise.reject(new Error("unreadable"));
  const { write, ledger } = writerOn(stores, { expected: () => undefined, look });

  expect(await write(g0)).toBe("stored");
  expect(ledger).toStrictEqual(["look", "save g0", "g0 stored"]);
});

test.each([
  ["known to be", () => null],
  ["to be overwritten", () => undefined],
])("overwrites whatever is there where it has lost against nothing: what is %s", async (_, expected) => {
  const { write, ledger } = writerOn(inTurn(loses, stores), { expected });

  expect(await write(g0)).toBe("stored");
  expect(ledger.filter((line) => line !== "look")).toStrictEqual([
    "save g0 over nothing",
    "save g0",
    "g0 stored",
  ]);
});

test("asks what the store is thought to hold when the turn of the write has come, also of one tried again", async () => {
  let held = f0;
  const hold = (saved: SessionRecord) => () => {
    held = saved;
  };
  const { write, ledger, clock } = writerOn(inTurn(fails, stores), { expected: () => held });

  await write(f1);
  held = g0;
  const tried = clock.advance(300);
  await Promise.all([write(f1, { ended: hold(f1) }), write(f2), tried]);

  expect(ledger.filter((line) => line.startsWith("save"))).toStrictEqual([
    "save f1 over f0",
    "save f1 over g0",
    "save f2 over f1",
  ]);
});

test("writes one at a time, in the order it was asked", async () => {
  const finish: ((stored: boolean) => void)[] = [];
  const { write, ledger } = writerOn(() => new Promise((resolve) => finish.push(resolve)));

  const writes = [write(f0), write(f1), write(null)];
  await settled();
  expect(ledger).toStrictEqual(["save f0 over nothing"]);
  for (let count = 0; count < 3; count++) {
    finish.shift()?.(true);
    await settled();
  }
  await Promise.all(writes);

  expect(ledger).toStrictEqual([
    "save f0 over nothing",
    "f0 stored",
    "save f1 over nothing",
    "f1 stored",
    "save nothing over nothing",
    "nothing stored",
  ]);
});

test("goes on with the next where the end of one was told to somebody who throws", async () => {
  const { write, ledger } = writerOn();
  const ended = () => {
    throw new Error("cannot hear it");
  };

  const all = await Promise.allSettled([write(f0, { ended }), write(f1)]);

  expect(all.map(({ status }) => status)).toStrictEqual(["rejected", "fulfilled"]);
  expect(ledger).toStrictEqual(["save f0 over nothing", "save f1 over nothing", "f1 stored"]);
});

test("skips what is not due any more when its turn comes", async () => {
  let isDue = true;
  const { write, ledger } = writerOn();

  const writes = [
    write(null, {
      ended: () => {
        isDue = false;
      },
    }),
    write(f0, { due: () => isDue }),
  ];

  expect(await Promise.all(writes)).toStrictEqual(["stored", "skipped"]);
  expect(ledger).toStrictEqual(["save nothing over nothing", "f0 skipped"]);
});

test("lets a save fail that does not settle in time, and goes on with the next", async () => {
  const { write, ledger, clock } = writerOn(inTurn(never, stores));

  const writes = [write(f0), write(f1)];
  await clock.advance(999);
  expect(ledger).toStrictEqual(["save f0 over nothing"]);
  await clock.advance(1);

  expect(await Promise.all(writes)).toStrictEqual(["failed", "stored"]);
  expect(ledger).toStrictEqual([
    "save f0 over nothing",
    new DeadlineError("save() of the store took longer than 1000 ms").message,
    "f0 failed",
    "save f1 over nothing",
    "f1 stored",
  ]);
});

test.each([
  ["rejects", fails],
  ["throws", throws],
])("says that a save failed that %s, and tries it again", async (_, save) => {
  const { write, ledger, clock } = writerOn(inTurn(save, stores));

  expect(await write(f0)).toBe("failed");
  expect(clock.timers).toStrictEqual({ all: 1, keepAlive: 0 });
  await clock.advance(300);

  expect(ledger).toStrictEqual([
    "save f0 over nothing",
    "disk full",
    "f0 failed",
    "look",
    "save f0 over nothing",
    "f0 stored",
  ]);
  expect(clock.timers.all).toBe(0);
});

test("looks before it tries again, and does not write what is there", async () => {
  const { write, ledger, clock } = writerOn(fails, { look: async () => f0 });

  await write(f0);
  await clock.advance(300);

  expect(ledger).toStrictEqual(["save f0 over nothing", "disk full", "f0 failed", "look", "f0 stored"]);
  expect(clock.timers.all).toBe(0);
});

test("tries again after 300 ms doubling to 30 s, each three quarters of it where chance is even", async () => {
  const { write, ledger, clock } = writerOn(fails);
  const begin = clock.now();
  const at: number[] = [];
  void write(f0, { ended: () => at.push(clock.now() - begin) });

  await clock.advance(100_000);

  const pauses = at.slice(1).map((time, index) => time - (at[index] ?? 0));
  expect(pauses).toStrictEqual([225, 450, 900, 1_800, 3_600, 7_200, 14_400, 22_500, 22_500, 22_500]);
  expect(ledger.filter((line) => line === "disk full")).toHaveLength(at.length);
});

test("begins again with the first pause once something was stored", async () => {
  const { write, clock, ledger } = writerOn(inTurn(fails, fails, stores, fails, stores));

  await write(f0);
  await clock.advance(225 + 450);
  await write(f1);
  await clock.advance(225);

  expect(ledger.filter((line) => line.startsWith("save"))).toStrictEqual([
    "save f0 over nothing",
    "save f0 over nothing",
    "save f0 over nothing",
    "save f1 over nothing",
    "save f1 over nothing",
  ]);
});

test("does not try again what a later write has replaced", async () => {
  const { write, ledger, clock } = writerOn(inTurn(fails, stores));

  await write(f0);
  await write(f1);
  await clock.advance(60_000);

  expect(ledger).toStrictEqual([
    "save f0 over nothing",
    "disk full",
    "f0 failed",
    "save f1 over nothing",
    "f1 stored",
  ]);
  expect(clock.timers.all).toBe(0);
});

test("tries again what failed last, in its own time, and once", async () => {
  const { write, ledger, clock } = writerOn(fails);

  await write(f0);
  await clock.advance(200);
  await write(f1);
  await clock.advance(449);
  expect(clock.timers.all).toBe(1);
  await clock.advance(1);

  expect(ledger.filter((line) => line.startsWith("save"))).toStrictEqual([
    "save f0 over nothing",
    "save f1 over nothing",
    "save f1 over nothing",
  ]);
});

test("does not try again by itself what it is closed with", async () => {
  const { writer, write, ledger, clock } = writerOn(inTurn(fails, stores));

  await write(f0);
  const closed = writer.close();
  expect(clock.timers.all).toBe(1);
  await closed;

  expect(clock.timers.all).toBe(0);
  await clock.advance(60_000);
  expect(ledger).toStrictEqual([
    "save f0 over nothing",
    "disk full",
    "f0 failed",
    "look",
    "save f0 over nothing",
    "f0 stored",
  ]);
});

test("does not try again what is not due any more", async () => {
  let isDue = true;
  const { write, ledger, clock } = writerOn(fails);

  await write(f0, { due: () => isDue });
  isDue = false;
  await clock.advance(60_000);

  expect(ledger).toStrictEqual(["save f0 over nothing", "disk full", "f0 failed", "f0 skipped"]);
  expect(clock.timers.all).toBe(0);
});

test("looks who won when it has lost, before it says so", async () => {
  let isDue = true;
  const { write, ledger, clock } = writerOn(loses, {
    expected: () => f0,
    async look() {
      isDue = false;
      return g0;
    },
  });

  expect(await write(f1, { due: () => isDue })).toBe("lost");
  expect([ledger, clock.timers.all]).toStrictEqual([["save f1 over f0", "look", "f1 lost"], 0]);
});

test("takes for stored what it has lost against itself", async () => {
  const { write, ledger, clock } = writerOn(loses, { expected: () => f0, look: async () => f1 });

  expect(await write(f1)).toBe("stored");
  expect([ledger, clock.timers.all]).toStrictEqual([["save f1 over f0", "look", "f1 stored"], 0]);
});

test.each([
  ["a look that shows no winner", async () => null],
  ["a look that shows what was expected", async () => f0],
  ["a look that fails", () => Promise.reject(new Error("unreadable"))],
])("tries again after a save that was lost and %s", async (_, look) => {
  const { write, ledger, clock } = writerOn(inTurn(loses, stores), { expected: () => f0, look });

  expect(await write(f1)).toBe("failed");
  await clock.advance(225);

  expect(ledger).toStrictEqual([
    "save f1 over f0",
    "look",
    "save() of the store lost, yet load() shows no winner",
    "f1 failed",
    "look",
    "save f1 over f0",
    "f1 stored",
  ]);
});

test("does not write what is thought to be there", async () => {
  const { write, ledger, clock } = writerOn(stores, { expected: () => f1 });

  expect(await write(f1)).toBe("skipped");
  expect([ledger, clock.timers.all]).toStrictEqual([["f1 skipped"], 0]);
});

test("writes at once over what it was to follow and has landed late", async () => {
  let held = f0;
  const { write, ledger, clock } = writerOn(inTurn(loses, stores), {
    expected: () => held,
    async look() {
      held = f1;
      return f1;
    },
  });

  expect(await write(f2)).toBe("stored");
  expect([ledger, clock.timers.all]).toStrictEqual([
    ["save f2 over f0", "look", "save f2 over f1", "f2 stored"],
    0,
  ]);
});

test("does not take a removal for stored that was lost, where nobody can see what is there", async () => {
  const look = () => Promise.reject(new Error("unreadable"));
  const { write } = writerOn(loses, { expected: () => f0, look });

  expect(await write(null)).toBe("failed");
});

test("tries once more when it is closed what fails while it is closed", async () => {
  const { writer, write, ledger, clock } = writerOn(inTurn(never, stores));
  void write(f0);
  const closed = writer.close();

  await clock.advance(1_000);
  await closed;

  expect(ledger.filter((line) => !line.startsWith("save()"))).toStrictEqual([
    "save f0 over nothing",
    "f0 failed",
    "look",
    "save f0 over nothing",
    "f0 stored",
  ]);
  expect(clock.timers.all).toBe(0);
});

test("tries once more when it is closed, at once, and leaves no timer", async () => {
  const { writer, write, ledger, clock } = writerOn(fails);

  await write(f0);
  await writer.close();
  await clock.advance(60_000);

  expect(ledger).toStrictEqual([
    "save f0 over nothing",
    "disk full",
    "f0 failed",
    "look",
    "save f0 over nothing",
    "disk full",
    "f0 failed",
  ]);
  expect(clock.timers.all).toBe(0);
});

test("waits when it is closed for what is under way, and for one more try, each no longer than its deadline", async () => {
  const { writer, write, ledger, clock } = writerOn(never);
  void write(f2);
  const closed = writer.close().then(() => ledger.push("closed"));

  await clock.advance(1_000);
  expect(ledger.slice(-2)).toStrictEqual(["look", "save f2 over nothing"]);
  await clock.advance(999);
  expect(ledger.at(-1)).toBe("save f2 over nothing");
  await clock.advance(1);
  await closed;

  expect(ledger.at(-1)).toBe("closed");
  expect(clock.timers.all).toBe(0);
});

test("closes at once where nothing is to be written", async () => {
  const { writer, ledger, clock } = writerOn();
  await writer.close();

  expect([ledger, clock.timers.all]).toStrictEqual([[], 0]);
});

test("says once that what failed is not due any more", async () => {
  let isDue = true;
  const { writer, write, ledger, clock } = writerOn(fails);

  await write(f0, { due: () => isDue });
  isDue = false;
  await clock.advance(300);
  await writer.close();

  expect(ledger).toStrictEqual(["save f0 over nothing", "disk full", "f0 failed", "f0 skipped"]);
});

test("tries again once where it is closed the moment it tries again", async () => {
  const { writer, write, ledger, clock } = writerOn(inTurn(fails, stores));
  const timer = vi.spyOn(clock, "timer");
  await write(f0);
  const again = timer.mock.lastCall?.[0];

  again?.();
  await writer.close();

  expect(ledger).toStrictEqual([
    "save f0 over nothing",
    "disk full",
    "f0 failed",
    "look",
    "save f0 over nothing",
    "f0 stored",
  ]);
});

test("tries a removal again where nobody can see what is there", async () => {
  const look = () => Promise.reject(new Error("unreadable"));
  const { write, ledger, clock } = writerOn(inTurn(fails, stores), { look });

  await write(null);
  await clock.advance(300);

  expect(ledger.filter((line) => line.startsWith("save"))).toStrictEqual([
    "save nothing over nothing",
    "save nothing over nothing",
  ]);
});
