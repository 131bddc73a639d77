import { randomBytes } from "node:crypto";
import { storeContract } from "@freshtoken/testing/contract";
import { describe, expect, test } from "vitest";
import type { EncryptionKey, RedisStoreOptions } from "../src/index.ts";
import { lacksRedis } from "./redis-server.ts";
import { outcomeOf, recordOf, useRedis } from "./support.ts";

const desk = useRedis();
const old: EncryptionKey = { id: "2025", key: randomBytes(32) };
const current: EncryptionKey = { id: "2026", key: randomBytes(32) };

type Keys = RedisStoreOptions["encryptionKeys"];

function opened(id: string, encryptionKeys: Keys) {
  return desk.open({ id, encryptionKeys });
}

/** All that is in Redis, as the hashes of every key. */
function everything(): Promise<string> {
  const dump = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  table.insert(all, key)
  for _, text in ipairs(redis.call('HGETALL', key)) do table.insert(all, text) end
end
return table.concat(all, ' ')`;
  return desk.redis.command("EVAL", dump, "0");
}

describe.skipIf(lacksRedis)("with encryption keys", () => {
  let places = 0;
  const subject = {
    begin() {
      const id = `encrypted ${++places}`;
      return { open: () => opened(id, [current]) };
    },
  };
  for (const { title, run } of storeContract(subject)) test(title, ({ signal }) => run({ signal }));

  test("Redis holds no part of a token", async () => {
    const store = await opened(desk.id(), [current]);
    await store.save(
      recordOf(0, { accessToken: "secret-access-token", refreshToken: "secret-refresh-token" }),
    );

    const all = await everything();

    expect(all).toContain("aes:2026:");
    expect(all).not.toContain("secret");
  });

  test("encrypts the same tokens to another text each time", async () => {
    const id = desk.id();
    const store = await opened(id, [current]);
    await store.save(recordOf(0));
    const one = await everything();
    await store.save(recordOf(0));

    expect(await everything()).not.toBe(one);
  });

  test("a key is rotated in three steps: add it last, put it first, take the old one out", async () => {
    const id = desk.id();
    const [plain, added, first] = [
      await opened(id, [old]),
      await opened(id, [old, current]),
      await opened(id, [current, old]),
    ];

    await added.save(recordOf(0));
    expect(await plain.load()).toStrictEqual(recordOf(0));
    await first.save(recordOf(1), recordOf(0));
    expect(await added.load()).toStrictEqual(recordOf(1));
    expect(await (await opened(id, [current])).load()).toStrictEqual(recordOf(1));
  });

  test("takes a CryptoKey in the place of bytes", async () => {
    const id = desk.id();
    const key = await crypto.subtle.importKey(
      "raw",
      current.key as Uint8Array<ArrayBuffer>,
      "AES-GCM",
      false,
      ["encrypt", "decrypt"],
    );
    await (await opened(id, [{ id: "2026", key }])).save(recordOf(0));

    expect(await (await opened(id, [current])).load()).toStrictEqual(recordOf(0));
  });

  test("goes on with the bytes that it was given, whatever becomes of them", async () => {
    const id = desk.id();
    const key = Uint8Array.from(current.key as Uint8Array);
    const store = await opened(id, [{ id: "2026", key }]);
    key.fill(0);

    await store.save(recordOf(0));

    expect(await (await opened(id, [current])).load()).toStrictEqual(recordOf(0));
  });

  test.for([
    [
      "an unknown key",
      [old],
      [current],
      'The session in Redis is encrypted with the key "2025", which is none of `encryptionKeys`: add that key, or sign in again',
    ],
    [
      "a key, where none is given",
      [old],
      undefined,
      'The session in Redis is encrypted with the key "2025", and there are no `encryptionKeys`: add that key, or sign in again',
    ],
    [
      "another key of the same name",
      [old],
      [{ ...current, id: "2025" }],
      'The session in Redis cannot be decrypted with the key "2025": another key had that name, or it was changed there. Put the right key back, or sign in again',
    ],
    [
      "no key at all",
      undefined,
      [current],
      "The session in Redis is not encrypted, and `encryptionKeys` says that it is: sign in again to replace it",
    ],
  ] as [string, Keys, Keys, string][])(
    "fails to load what was saved with %s, and says so: that is not nothing",
    async ([, before, after, message]) => {
      const id = desk.id();
      await (await opened(id, before)).save(recordOf(0));

      const store = await opened(id, after);

      expect(await outcomeOf(async () => store.load())).toStrictEqual(new Error(message));
      await store.save(recordOf(1));
      expect(await store.load()).toStrictEqual(recordOf(1));
    },
  );

  test.for([
    ["of another session", "tokens", ""],
    ["of an earlier generation, passed off as the next", "generation", "1"],
    ["of another sign-in", "family", "g"],
  ] as const)("fails to load a record %s", async ([, field, value]) => {
    const [id, other] = [desk.id(), desk.id()];
    await (await opened(other, [current])).save(recordOf(0));
    await (await opened(id, [current])).save(recordOf(0));
    const set =
      "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('HSET', key, ARGV[1], ARGV[2]) end";
    const [stranger = ""] = /aes:\S+/.exec(await everything()) ?? [];
    await desk.redis.command("EVAL", set, "0", field, value || stranger);

    const outcomes = await Promise.all(
      [id, other].map((each) => outcomeOf(async () => (await opened(each, [current])).load())),
    );

    expect(outcomes).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining("cannot be decrypted") }),
    );
  });
});
