import type { SessionRecord } from "@freshtoken/core";
import { assert } from "chai";
import { f0, f1, g0, recordOf, type StoreCase } from "./case.ts";

// The last generation that a session reads: no digit of it may be lost.
const everyField: SessionRecord = recordOf("f", 2 ** 52 - 1, {
  tokenType: "Bearer",
  expiresAt: 1_700_003_600_123,
  issuedAt: 1_700_000_000_123.5,
  scope: "openid offline_access",
  idToken: "header.payload.signature",
  extra: {
    none: null,
    flags: { on: true, off: false },
    counts: [0, -1, 1.5, Number.MAX_SAFE_INTEGER],
    empty: [{}, [], ""],
  },
});

const texts = [
  "é 漢字 العربية",
  "👩‍👩‍👧 𝒳",
  `"quoted" 'twice' \\ \n \t \u0000 \u2028`,
  "</script>",
  "%25 + & =",
];

/** A record that nobody has frozen. */
function loose(): {
  family: string;
  generation: number;
  tokens: { accessToken: string; extra: { tenant: string } };
} {
  return { family: "f", generation: 0, tokens: { accessToken: "a0", extra: { tenant: "acme" } } };
}

function spoil(record: ReturnType<typeof loose>): void {
  record.generation = 9;
  record.tokens.accessToken = "spoilt";
  record.tokens.extra.tenant = "spoilt";
}

/** What is saved is loaded. */
export const keeping: readonly StoreCase[] = [
  {
    title: "holds nothing at first, and loads that as null",
    async run({ open }) {
      assert.isNull(await (await open()).load());
    },
  },
  {
    title: "loads a record as it was saved, with every field of its tokens",
    async run({ open }) {
      const store = await open();

      await store.save(everyField);

      assert.deepEqual(await store.load(), everyField);
    },
  },
  {
    title: "loads text of every script as it was saved",
    async run({ open }) {
      const store = await open();
      const record = recordOf(texts.join(" "), 0, {
        extra: Object.fromEntries(texts.map((text) => [text, text])),
      });

      await store.save(record);

      assert.deepEqual(await store.load(), record);
    },
  },
  {
    title: "loads a field that was undefined as no other value",
    async run({ open }) {
      const store = await open();

      await store.save({
        ...f0,
        tokens: { accessToken: "a0", refreshToken: undefined, expiresAt: undefined },
      });

      const loaded = JSON.parse(JSON.stringify(await store.load()));
      assert.deepEqual(loaded, { family: "f", generation: 0, tokens: { accessToken: "a0" } });
    },
  },
  {
    title: "loads a record without any token, as one is of a session with cookies",
    async run({ open }) {
      const store = await open();

      await store.save({ family: "cookie", generation: 0, tokens: {} });

      assert.deepEqual(await store.load(), { family: "cookie", generation: 0, tokens: {} });
    },
  },
  {
    title: "keeps a token of 64 KB",
    needs: ["large"],
    async run({ open }) {
      const store = await open();
      const record = recordOf("f", 0, { accessToken: "abcdefgh".repeat(8_192) });

      await store.save(record);

      assert.deepEqual(await store.load(), record);
    },
  },
  {
    title: "keeps what was saved, whatever becomes of the object",
    needs: ["copy"],
    async run({ open }) {
      const store = await open();
      const saved = loose();

      await store.save(saved);
      spoil(saved);

      assert.deepEqual(await store.load(), loose());
    },
  },
  {
    title: "keeps what was saved, whatever becomes of what was loaded",
    needs: ["copy"],
    async run({ open }) {
      const store = await open();
      await store.save(loose());

      spoil((await store.load()) as ReturnType<typeof loose>);

      assert.deepEqual(await store.load(), loose());
    },
  },
  {
    title: "holds the last of what was saved",
    async run({ open }) {
      const store = await open();

      for (const record of [f0, f1, g0, f0]) {
        await store.save(record);
        assert.deepEqual(await store.load(), record);
      }
    },
  },
  {
    title: "holds nothing once null was saved, until another record is",
    async run({ open }) {
      const store = await open();
      await store.save(f0);

      await store.save(null);
      const removed = await store.load();
      await store.save(null);
      await store.save(g0);

      assert.deepEqual([removed, await store.load()], [null, g0]);
    },
  },
  {
    title: "shows what was saved to whoever opens it later",
    needs: ["share"],
    async run({ open }) {
      await (await open()).save(everyField);

      assert.deepEqual(await (await open()).load(), everyField);
    },
  },
  {
    title: "shows each save to everybody else as soon as it has resolved",
    needs: ["share"],
    async run({ views }) {
      const stores = await views(4);

      for (const [index, record] of [f0, f1, null, g0, f0, null].entries()) {
        await stores[index % 4]?.save(record);
        for (const store of stores) assert.deepEqual(await store.load(), record);
      }
    },
  },
  {
    title: "shows whole records alone to those who load while others save",
    needs: ["share", "large"],
    async run({ views }) {
      const [one, two, three = one] = await views(3);
      const long = (family: string, generation: number) =>
        recordOf(family, generation, { idToken: `${family}${generation}`.repeat(2_000) });
      const isWhole = (found: SessionRecord | null) =>
        assert.deepEqual(found, long(found?.family ?? "no family", found?.generation ?? 0));
      await one.save(long("f", 0));

      for (let generation = 0; generation < 20; generation++) {
        const saved = Promise.all([one.save(long("f", generation)), two.save(long("g", generation))]);
        for (let load = 0; load < 5; load++) isWhole(await three.load());
        await saved;
        isWhole(await three.load());
      }
    },
  },
];
