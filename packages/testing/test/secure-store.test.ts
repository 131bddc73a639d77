import { readFileSync } from "node:fs";
import type { SessionRecord } from "@freshtoken/core";
import { describe, expect, test } from "vitest";
import { type StoreSubject, storeContract } from "../src/contract/index.ts";
import { settled } from "../src/index.ts";
import { secureStore } from "./secure-store.ts";

type Keychain = Parameters<typeof secureStore>[0];

/** As narrow as that of a phone, and as late. Breaks off, where it is told to, in the middle of a save. */
function createKeychain() {
  const values = new Map<string, string>();
  let left = Number.POSITIVE_INFINITY;
  async function reach(key: string): Promise<void> {
    await settled();
    if (!/^[\w.-]+$/.test(key)) throw new TypeError(`Invalid key ${key}`);
  }
  const keychain: Keychain = {
    async getItemAsync(key) {
      await reach(key);
      return values.get(key) ?? null;
    },
    async setItemAsync(key, value) {
      await reach(key);
      if (new TextEncoder().encode(value).length > 2048) throw new RangeError("longer than 2048 bytes");
      if (left-- <= 0) throw new Error("killed");
      values.set(key, value);
    },
    async deleteItemAsync(key) {
      await reach(key);
      values.delete(key);
    },
  };
  return {
    values,
    keychain,
    breakAfter(writes: number) {
      left = writes;
    },
  };
}

const subject: StoreSubject = {
  cannot: {
    compare: "the keychain has no compare-and-set",
    exclusive: "an app is one process, and takes no turns",
    subscribe: "nobody else writes",
  },
  begin() {
    const { keychain } = createKeychain();
    return { open: () => secureStore(keychain) };
  },
};

describe("the contract of stores, through the README's store of one's own", () => {
  for (const { title, lacks, run } of storeContract(subject)) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});

const long = (generation: number): SessionRecord => ({
  family: "f",
  generation,
  tokens: { accessToken: "a".repeat(9_000 + generation) },
});

test("shows the README's store as it is run here", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

  expect(readme).toContain(readFileSync(new URL("secure-store.ts", import.meta.url), "utf8"));
});

test("leaves nothing in the keychain of what was replaced, and nothing at all once removed", async () => {
  const { keychain, values } = createKeychain();
  const store = secureStore(keychain);

  await store.save(long(0));
  const pieces = values.size;
  await store.save(long(0));
  const after = values.size;
  await store.save(null);

  expect([pieces, after, values.size]).toStrictEqual([6, 6, 0]);
});

test.each([0, 1, 3, 5])("keeps the record before a save that broke off after %i writes", async (writes) => {
  const { keychain, breakAfter } = createKeychain();
  const store = secureStore(keychain);
  await store.save(long(0));

  breakAfter(writes);
  await expect(store.save(long(1))).rejects.toThrow("killed");

  expect(await secureStore(keychain).load()).toStrictEqual(long(0));
});

test("takes a record for nothing of which a piece is lost", async () => {
  const { keychain, values } = createKeychain();
  const store = secureStore(keychain);
  await store.save(long(0));

  const [piece = ""] = [...values.keys()].filter((name) => name.endsWith(".3"));
  values.delete(piece);

  expect(await store.load()).toBeNull();
});
