import type { SessionRecord, SessionStore } from "@freshtoken/core";
import { assert } from "chai";
import { f0, f1, g0, recordOf, type StoreCase } from "./case.ts";

/** A subscription, and what it has heard. */
interface Listener {
  /** What came with each hint: nothing. */
  readonly heard: readonly unknown[][];
  /** Resolves at the next hint from now on. */
  next(): Promise<void>;
  undo(): void;
}

/** Subscribes, and then loads: as sessions do, who are told of what is saved after that. */
async function listen(store: SessionStore, also: () => void = () => {}): Promise<Listener> {
  const heard: unknown[][] = [];
  const watchers = new Set<() => void>();
  const undo = store.subscribe?.((...args: readonly unknown[]) => {
    heard.push([...args]);
    for (const watch of watchers) watch();
    watchers.clear();
    also();
  });
  await store.load();
  return {
    heard,
    next: () => new Promise((resolve) => watchers.add(resolve)),
    undo: () => undo?.(),
  };
}

/** Loads at each hint, until that shows what is looked for. Who is told too early, and never again, looks for ever. */
async function lookOut(
  store: SessionStore,
  isFound: (record: SessionRecord | null) => boolean,
): Promise<{ readonly found: Promise<void>; undo(): void }> {
  let resolveFound = () => {};
  const found = new Promise<void>((resolve) => {
    resolveFound = resolve;
  });
  const { undo } = await listen(store, async () => {
    if (isFound(await store.load())) resolveFound();
  });
  return { found, undo };
}

/** Saves in one context, and waits until the listener in another is told. */
async function told(
  listener: Listener,
  writer: SessionStore,
  reader: SessionStore,
  record: SessionRecord | null,
): Promise<void> {
  const hint = listener.next();
  await writer.save(record);
  assert.deepEqual(await reader.load(), record);
  await hint;
}

/** Others are told to load again. */
export const hints: readonly StoreCase[] = [
  {
    title: "tells of what another saves and removes, and says no more than that",
    needs: ["subscribe", "share"],
    async run({ views }) {
      const [one, two] = await views(2);
      const listener = await listen(two);

      for (const record of [f0, f1, null, g0]) await told(listener, one, two, record);

      listener.undo();
      assert.deepEqual(
        listener.heard,
        listener.heard.map(() => []),
      );
    },
  },
  {
    title: "has saved by the time it tells",
    needs: ["subscribe", "share"],
    async run({ views }) {
      const [one, two] = await views(2);
      await one.save(f0);
      assert.deepEqual(await two.load(), f0);
      const { found, undo } = await lookOut(two, (record) => record?.family === "g");

      await one.save(g0, f0);
      await found;

      undo();
    },
  },
  {
    title: "tells of the last of many saves, however many it tells of",
    needs: ["subscribe", "share"],
    async run({ views }) {
      const [one, two, three] = await views(3);
      const { found, undo } = await lookOut(two, (record) => record?.generation === 40);

      for (let generation = 1; generation <= 40; generation++) {
        const writer = generation % 2 === 0 ? one : (three ?? one);
        await writer.save(recordOf("f", generation));
      }
      assert.deepEqual(await two.load(), recordOf("f", 40));
      await found;

      undo();
    },
  },
  {
    title: "tells each context, and each listener in it",
    needs: ["subscribe", "share"],
    async run({ views }) {
      const [one, two, three] = await views(3);
      const listeners = await Promise.all([two, two, three ?? two].map((store) => listen(store)));

      for (const record of [f0, null]) {
        const hints = listeners.map(({ next }) => next());
        await one.save(record);
        assert.deepEqual(await two.load(), record);
        await Promise.all(hints);
      }

      for (const { undo } of listeners) undo();
    },
  },
  {
    title: "tells the others where a listener throws, and the save goes through",
    needs: ["subscribe", "share"],
    async run({ views }) {
      const [one, two] = await views(2);
      const throwing = await listen(two, () => {
        throw new Error("the listener fails");
      });
      const listener = await listen(two);

      await told(listener, one, two, f0);
      await told(listener, one, two, f1);

      throwing.undo();
      listener.undo();
    },
  },
  {
    title: "tells nobody who has undone it, and leaves nothing of the subscription",
    needs: ["subscribe", "share"],
    async run({ views, listeners }) {
      const [one, two] = await views(2);
      const undone = await listen(two);
      const listener = await listen(two);
      await told(listener, one, two, f0);

      undone.undo();
      const before = undone.heard.length;
      await told(listener, one, two, f1);
      await told(listener, one, two, g0);
      listener.undo();

      assert.deepEqual([undone.heard.length, await listeners()], [before, 0]);
    },
  },
  {
    title: "takes a second undo for none, and tells the other listeners on",
    needs: ["subscribe", "share"],
    async run({ views }) {
      const [one, two] = await views(2);
      const undone = await listen(two);
      const listener = await listen(two);

      undone.undo();
      undone.undo();
      const before = undone.heard.length;
      await told(listener, one, two, f0);

      listener.undo();
      assert.equal(undone.heard.length, before);
    },
  },
  {
    title: "tells who subscribes after all others have gone",
    needs: ["subscribe", "share"],
    async run({ views }) {
      const [one, two] = await views(2);

      for (const record of [f0, f1, null]) {
        const listener = await listen(two);
        await told(listener, one, two, record);
        listener.undo();
      }
    },
  },
];
