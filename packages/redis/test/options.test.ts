import { expect, test } from "vitest";
import { type RedisStoreOptions, redisStore } from "../src/index.ts";

const client = { send: async () => [], subscribe: async () => () => {} };
const key = new Uint8Array(32);
const aClient = "a client of node-redis or ioredis, or a connection with send() and subscribe()";
const keys =
  "a list of { id, key }: ids of letters and digits, each another, and keys of 32 bytes, or CryptoKeys for AES-GCM with 256 bits that may decrypt, the first also encrypt";

function cryptoKey(name: string, bytes: number, usages: KeyUsage[]): Promise<CryptoKey> {
  const algorithm = name === "HMAC" ? { name, hash: "SHA-256" } : name;
  return crypto.subtle.importKey("raw", new Uint8Array(bytes), algorithm, false, usages);
}

const [short, counting, signing, blind, closed, open] = await Promise.all([
  cryptoKey("AES-GCM", 16, ["encrypt", "decrypt"]),
  cryptoKey("AES-CTR", 32, ["encrypt", "decrypt"]),
  cryptoKey("HMAC", 32, ["sign"]),
  cryptoKey("AES-GCM", 32, ["encrypt"]),
  cryptoKey("AES-GCM", 32, ["decrypt"]),
  cryptoKey("AES-GCM", 32, ["encrypt", "decrypt"]),
]);

const wrong: readonly (readonly [options: unknown, message: string])[] = [
  [undefined, "redisStore takes options, not undefined"],
  [null, "redisStore takes options, not null"],
  [{ client, id: "a", ttl: 1 }, "redisStore knows no option `ttl`"],
  [{ id: "a" }, `\`client\` is ${aClient}, not undefined`],
  [{ id: "a", client: "redis://127.0.0.1" }, `\`client\` is ${aClient}, not a string`],
  [{ id: "a", client: { send() {} } }, `\`client\` is ${aClient}, not an object`],
  [{ id: "a", client, subscriber: {} }, `\`subscriber\` is ${aClient}, not an object`],
  [{ client }, "`id` is a text that names one session, not empty, not undefined"],
  [{ client, id: "" }, "`id` is a text that names one session, not empty, not a string"],
  [{ client, id: "a", prefix: "{a}" }, "`prefix` is a text without braces, not a string"],
  [{ client, id: "a", lease: 99 }, "`lease` is a whole number of ms, 100 or more, not 99"],
  [{ client, id: "a", commandTimeout: 0 }, "`commandTimeout` is a whole number of ms, 1 or more, not 0"],
  [{ client, id: "a", keepFor: 0.5 }, "`keepFor` is a whole number of ms, 1 or more, not 0.5"],
  [{ client, id: "a", failOpen: 1 }, "`failOpen` is true or false, not 1"],
  [{ client, id: "a", clock: {} }, "`clock` is a clock, with now(), random() and timer(), not an object"],
  [{ client, id: "a", encryptionKeys: "secret" }, `\`encryptionKeys\` is ${keys}, not a string`],
  [{ client, id: "a", encryptionKeys: [] }, `\`encryptionKeys\` is ${keys}, not an array`],
  [{ client, id: "a", encryptionKeys: [{ id: "a b", key }] }, `\`encryptionKeys\` is ${keys}, not an array`],
  [
    { client, id: "a", encryptionKeys: [{ id: "a", key: new Uint8Array(16) }] },
    `\`encryptionKeys\` is ${keys}, not an array`,
  ],
  [
    {
      client,
      id: "a",
      encryptionKeys: [
        { id: "a", key },
        { id: "a", key },
      ],
    },
    `\`encryptionKeys\` is ${keys}, not an array`,
  ],
];

test.for(wrong)("refuses wrong options, naming the option and what arrived (%#)", ([options, message]) => {
  expect(() => redisStore(options as RedisStoreOptions)).toThrow(new TypeError(message));
});

test.for([
  ["of 128 bits", [open, short]],
  ["for another cipher", [open, counting]],
  ["to sign with", [open, signing]],
  ["that may not decrypt", [open, blind]],
  ["that may not encrypt, where it is the first", [closed, open]],
] as const)("refuses a CryptoKey %s, at once", ([, given]) => {
  const encryptionKeys = given.map((each, index) => ({ id: `k${index}`, key: each }));

  expect(() => redisStore({ client, id: "a", encryptionKeys })).toThrow(TypeError);
});

test("takes a CryptoKey that may only decrypt, where it is not the first", () => {
  const encryptionKeys = [open, closed].map((each, index) => ({ id: `k${index}`, key: each }));

  expect(() => redisStore({ client, id: "a", encryptionKeys })).not.toThrow();
});

test("takes undefined for absent", () => {
  const options = { client, id: "a", lease: undefined, encryptionKeys: undefined, subscriber: undefined };

  expect(Object.keys(redisStore(options))).toStrictEqual(["load", "save", "exclusive", "subscribe"]);
});

test("sends nothing before somebody asks for something", () => {
  const sent: unknown[] = [];
  redisStore({ client: { ...client, send: async (command) => sent.push(command) }, id: "a" });

  expect(sent).toStrictEqual([]);
});
