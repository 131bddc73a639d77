import type { SessionRecord, SessionStore } from "@freshtoken/core";
import { assert } from "chai";
import { f0, f1, g0, recordOf, type StoreCase } from "./case.ts";
import type { StoreAbility } from "./subject.ts";

type Held = SessionRecord | null;

const next = recordOf("h", 3);
const sameTokens: SessionRecord = { ...g0, tokens: f0.tokens };
const otherTokens: SessionRecord = { ...f0, tokens: { accessToken: "other" } };

const matches: readonly [what: string, held: Held, expected: Held | undefined][] = [
  ["over nothing, told to expect nothing in particular", null, undefined],
  ["over a record, told to expect nothing in particular", g0, undefined],
  ["over nothing, where nothing is expected", null, null],
  ["over the record that is expected", f0, f0],
  ["over the family and generation that are expected, whatever the tokens", f0, otherTokens],
];

const mismatches: readonly [what: string, held: Held, expected: Held][] = [
  ["over a record, where nothing is expected", f0, null],
  ["over nothing, where a record is expected", null, f0],
  ["over a later generation than is expected", f1, f0],
  ["over an earlier generation than is expected", f0, f1],
  [
    "over a generation that differs in its last digit alone",
    recordOf("f", 2 ** 52 - 1),
    recordOf("f", 2 ** 52 - 2),
  ],
  ["over another sign-in than is expected, though of the same generation", g0, f0],
  ["over another sign-in than is expected, though its tokens are the same", sameTokens, f0],
  [
    "over a family and generation that only read the same, one after the other",
    recordOf("f1", 0),
    recordOf("f", 10),
  ],
];

const writes: readonly [verb: string, record: Held][] = [
  ["writes", next],
  ["removes", null],
];

function saved(
  store: SessionStore,
  record: Held,
  expected: Held | undefined,
): ReturnType<SessionStore["save"]> {
  return expected === undefined ? store.save(record) : store.save(record, expected);
}

const table = writes.flatMap(([verb, record]): StoreCase[] => [
  ...matches.map(
    ([what, held, expected]): StoreCase => ({
      title: `${verb} ${what}`,
      async run({ open }) {
        const store = await open();
        await store.save(held);

        assert.notStrictEqual(await saved(store, record, expected), false);
        assert.deepEqual(await store.load(), record);
      },
    }),
  ),
  ...mismatches.map(
    ([what, held, expected]): StoreCase => ({
      title: `${verb} nothing ${what}, and says so`,
      needs: ["compare"],
      async run({ open }) {
        const store = await open();
        await store.save(held);

        assert.isFalse(await store.save(record, expected), "what save() came to");
        assert.deepEqual(await store.load(), held);
      },
    }),
  ),
]);

/** Who may race: one context with itself, or several. */
const racers: readonly [who: string, views: number, needs: readonly StoreAbility[]][] = [
  ["one context makes at once", 1, ["compare"]],
  ["four contexts make at once", 4, ["compare", "share"]],
];

const starts: readonly [what: string, held: Held][] = [
  ["nothing", null],
  ["one record", f0],
];

const races = racers.flatMap(([who, count, needs]) =>
  starts.map(
    ([what, held]): StoreCase => ({
      title: `lets one of 20 saves win that ${who} over ${what}, and keeps that one`,
      needs,
      async run({ views }) {
        const stores = (await views(Math.max(count, 2))).slice(0, count);
        await stores[0]?.save(held);
        for (const store of stores) assert.deepEqual(await store.load(), held);
        const racing = Array.from({ length: 20 }, (_, index) => recordOf(`racer-${index}`, 0));

        const outcomes = await Promise.all(
          racing.map((record, index) => stores[index % count]?.save(record, held)),
        );

        const winners = racing.filter((_, index) => outcomes[index] !== false);
        assert.deepEqual(winners, [await stores[0]?.load()]);
      },
    }),
  ),
);

/** A save that is told what to expect writes over that alone. */
export const comparing: readonly StoreCase[] = [
  ...table,
  {
    title: "says true where it wrote over what was expected, false where it did not",
    needs: ["compare"],
    async run({ open }) {
      const store = await open();

      const said = [await store.save(f0, null), await store.save(f1, null), await store.save(f1, f0)];

      assert.deepEqual(said, [true, false, true]);
    },
  },
  {
    title: "compares with what another has saved meanwhile",
    needs: ["compare", "share"],
    async run({ views }) {
      const [one, two] = await views(2);
      await one.save(f0);
      await two.load();
      await one.save(f1, f0);

      const said = [await two.save(g0, f0), await two.save(null, f0), await two.save(null, f1)];

      assert.deepEqual([said, await one.load()], [[false, false, true], null]);
    },
  },
  ...races,
];
