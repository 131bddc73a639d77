import type { SessionStore } from "@freshtoken/core";
import { assert } from "chai";
import { settled } from "../../clock.ts";
import { createGate, type Gate } from "../../gate.ts";
import { outcomeOf } from "../case.ts";
import { recordOf, type StoreCase } from "./case.ts";
import type { StoreAbility } from "./subject.ts";

const reason = new Error("changed my mind");
const failure = new Error("the task fails");

const failures: readonly [how: string, task: () => Promise<never>][] = [
  ["rejects", () => Promise.reject(failure)],
  [
    "throws",
    () => {
      throw failure;
    },
  ],
];

/** Where those wait of whom one gives up. */
const waits: readonly [where: string, contexts: number, needs: readonly StoreAbility[]][] = [
  ["one context", 1, ["exclusive"]],
  ["three contexts", 3, ["exclusive", "share"]],
];

/** Runs a task in the section. */
function enter<R>(
  store: SessionStore,
  task: () => Promise<R>,
  signal: AbortSignal = new AbortController().signal,
): Promise<R> {
  const entered = Promise.resolve(store.exclusive?.(task, { signal }) as Promise<R>);
  entered.catch(() => {});
  return entered;
}

/** Enters the section, and stays in it until the gate opens. */
async function occupy(store: SessionStore): Promise<Gate> {
  const gate = createGate();
  void enter(store, () => gate.pass());
  await gate.reached(1);
  return gate;
}

/** Lets all get on that can: a store that wrongly lets somebody in has done so by then. */
async function meanwhile(store: SessionStore): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await store.load();
    await settled();
  }
}

/** Makes tasks that write down how many of them run, and take a while. */
function tasks(store: SessionStore): { most: number; ran: number; task(): Promise<void> } {
  let inside = 0;
  const seen = {
    most: 0,
    ran: 0,
    async task() {
      inside += 1;
      seen.most = Math.max(seen.most, inside);
      await store.load();
      await settled();
      inside -= 1;
      seen.ran += 1;
    },
  };
  return seen;
}

/** One at a time is in the exclusive section. */
export const turns: readonly StoreCase[] = [
  {
    title: "runs a task in the section, and comes to what the task comes to",
    needs: ["exclusive"],
    async run({ open }) {
      const result = { of: "the task" };

      assert.strictEqual(await enter(await open(), async () => result), result);
    },
  },
  ...failures.map(
    ([how, task]): StoreCase => ({
      title: `rejects as a task does that ${how}, and lets the next one in`,
      needs: ["exclusive", "share"],
      async run({ views }) {
        const [one, two] = await views(2);
        await one.save(recordOf("f", 0));

        assert.strictEqual(await outcomeOf(enter(one, task)), failure);
        assert.deepEqual(await enter(one, async () => one.load()), recordOf("f", 0));
        assert.deepEqual(await enter(two, async () => two.load()), recordOf("f", 0));
      },
    }),
  ),
  {
    title: "runs one task at a time of those that one context has",
    needs: ["exclusive"],
    async run({ open }) {
      const store = await open();
      const seen = tasks(store);

      await Promise.all(Array.from({ length: 10 }, () => enter(store, seen.task)));

      assert.deepEqual([seen.most, seen.ran], [1, 10]);
    },
  },
  {
    title: "runs one task at a time of those that four contexts have, and comes to the turn of each",
    needs: ["exclusive", "share"],
    async run({ views }) {
      const stores = await views(4);
      await stores[0].save(recordOf("f", 0));
      assert.deepEqual(await stores[1].load(), recordOf("f", 0));
      const seen = tasks(stores[0]);

      await Promise.all(stores.flatMap((store) => Array.from({ length: 10 }, () => enter(store, seen.task))));

      assert.deepEqual([seen.most, seen.ran], [1, 40]);
    },
  },
  {
    title: "lets nobody in while another is in the section, however long that takes",
    needs: ["exclusive", "share"],
    async run({ views }) {
      const [one, two, three] = await views(3);
      const gate = await occupy(one);
      const seen = tasks(two);

      const waiting = [one, two, three].map((store) => store && enter(store, seen.task));
      await meanwhile(two);
      const before = [seen.most, seen.ran];
      gate.open();
      await Promise.all(waiting);

      assert.deepEqual(
        [before, [seen.most, seen.ran]],
        [
          [0, 0],
          [1, 3],
        ],
      );
    },
  },
  {
    title: "loads in the section what was saved in the one before it: 100 turns of four contexts",
    needs: ["exclusive", "share"],
    async run({ views }) {
      const stores = await views(4);
      await stores[0].save(recordOf("f", 0));

      async function count(store: SessionStore): Promise<void> {
        const { generation } = (await store.load()) ?? { generation: Number.NaN };
        await store.save(recordOf("f", generation + 1));
      }
      async function takeTurns(store: SessionStore): Promise<void> {
        for (let turn = 0; turn < 25; turn++) await enter(store, () => count(store));
      }
      await Promise.all(stores.map(takeTurns));

      assert.deepEqual(await stores[0].load(), recordOf("f", 100));
    },
  },
  {
    title: "loads and saves for others while somebody is in the section",
    needs: ["exclusive", "share"],
    async run({ views }) {
      const [one, two] = await views(2);
      const gate = await occupy(one);

      await two.save(recordOf("f", 0));

      assert.deepEqual([await two.load(), await one.load()], Array(2).fill(recordOf("f", 0)));
      gate.open();
    },
  },
  {
    title: "rejects with the reason of a signal that has aborted before, and runs nothing",
    needs: ["exclusive"],
    async run({ open }) {
      const store = await open();
      let ran = 0;
      const task = async () => void ran++;

      const outcome = await outcomeOf(enter(store, task, AbortSignal.abort(reason)));
      const before = ran;
      await enter(store, task);

      assert.strictEqual(outcome, reason);
      assert.deepEqual([before, ran], [0, 1]);
    },
  },
  ...waits.map(
    ([where, count, needs]): StoreCase => ({
      title: `gives up waiting at once when the signal aborts, and lets in who waits behind: ${where}`,
      needs,
      async run({ views }) {
        const stores = await views(3);
        const [one, two = one, three = one] = stores.slice(0, count) as [SessionStore, ...SessionStore[]];
        const gate = await occupy(one);
        const controller = new AbortController();
        const ran: string[] = [];

        const aborted = enter(two, async () => void ran.push("aborted"), controller.signal);
        const behind = enter(three, async () => void ran.push("behind"));
        await meanwhile(two);
        controller.abort(reason);
        // The section is still taken: what does not reject now never does.
        const outcome = await outcomeOf(aborted);
        const before = [...ran];
        gate.open();
        await behind;
        await enter(two, async () => void ran.push("after"));

        assert.strictEqual(outcome, reason);
        assert.deepEqual([before, ran], [[], ["behind", "after"]]);
      },
    }),
  ),
  {
    title:
      "leaves a task alone that has begun when its signal aborts, and lets nobody else in before its end",
    needs: ["exclusive", "share"],
    async run({ views }) {
      const [one, two] = await views(2);
      const gate = createGate();
      const controller = new AbortController();
      const begun = enter(one, () => gate.pass().then(() => "done"), controller.signal);
      await gate.reached(1);
      const seen = tasks(two);

      controller.abort(reason);
      const waiting = enter(two, seen.task);
      await meanwhile(two);
      const before = seen.most;
      gate.open();

      assert.deepEqual([await outcomeOf(begun), before], ["done", 0]);
      await waiting;
    },
  },
  {
    title: "runs a task or rejects, and never both, where the signal aborts as its turn comes",
    needs: ["exclusive"],
    async run({ open }) {
      const store = await open();
      for (let depth = 0; depth < 12; depth++) {
        const gate = await occupy(store);
        const controller = new AbortController();
        let ran = 0;
        const waiting = enter(store, async () => void ran++, controller.signal);
        await meanwhile(store);
        gate.open();
        for (let microtask = 0; microtask < depth; microtask++) await Promise.resolve();
        controller.abort(reason);

        const outcome = await outcomeOf(waiting);
        await enter(store, async () => {});
        assert.strictEqual(outcome, ran === 0 ? reason : undefined);
      }
    },
  },
];
