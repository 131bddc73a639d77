import type { Clock } from "@freshtoken/core";
import { connectionOf, isClient, type RedisClient, type RedisConnection } from "./client.ts";
import type { EncryptionKey } from "./seal.ts";

export interface RedisStoreOptions {
  /** A client of node-redis 6 or ioredis 6, or of their shape (iovalkey), or a RedisConnection of your own. */
  client: RedisClient;
  /** Which session: whoever gives the same id shares it. Only its hash is seen in Redis. */
  id: string;
  /** The client to listen with, where `client` cannot do both, since it speaks RESP2. @default client */
  subscriber?: RedisClient | undefined;
  /**
   * Encrypts the tokens, with AES-256-GCM: the first key does, and all decrypt. To rotate, add a new one last on every
   * machine, then put it first, and take the old one out once every session was saved anew. @default none: tokens are
   * readable in Redis
   */
  encryptionKeys?: readonly EncryptionKey[] | undefined;
  /** What every key and channel begins with. @default "freshtoken:" */
  prefix?: string | undefined;
  /**
   * For how long a refresh has its turn after its machine last gave a sign, in ms; it gives three in that time. Make
   * it longer than the session's `refreshTimeout`. @default 15_000
   */
  lease?: number | undefined;
  /** How long Redis may take for one command, in ms. It is sent three times at most. @default 2_000 */
  commandTimeout?: number | undefined;
  /**
   * For how long Redis keeps a session that nobody saves anew, in ms. Whoever knows it puts it back when it looks: it
   * is forgotten once no machine has it in use. @default for ever
   */
  keepFor?: number | undefined;
  /**
   * While Redis cannot be reached, lets each machine refresh on its own. Only for an authorization server that does
   * not rotate refresh tokens, or forgives their reuse: any other ends the session. @default false
   */
  failOpen?: boolean | undefined;
  /** Time and chance. @default the platform's */
  clock?: Clock | undefined;
}

/** The options, with every default in its place. */
export interface Settings {
  readonly connection: RedisConnection;
  readonly listening: RedisConnection;
  readonly id: string;
  readonly encryptionKeys: readonly EncryptionKey[];
  readonly prefix: string;
  readonly lease: number;
  readonly commandTimeout: number;
  readonly keepFor: number | undefined;
  readonly failOpen: boolean;
  readonly clock: Clock;
}

const CLOCK: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  timer(run, ms, keepAlive) {
    const timer: unknown = setTimeout(run, ms);
    if (!keepAlive) (timer as { unref?(): void }).unref?.();
    return () => clearTimeout(timer as number);
  },
};

/** Checks the options and completes them. Throws a TypeError that names the option and what arrived. */
export function settingsOf(options: RedisStoreOptions): Settings {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`redisStore takes options, not ${kindOf(options)}`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(RULES, name)) throw new TypeError(`redisStore knows no option \`${name}\``);
    const rule = RULES[name as keyof RedisStoreOptions];
    if (value !== undefined && !rule.allows(value)) throw wrong(name, rule, value);
  }
  for (const name of ["client", "id"] as const) {
    if (options[name] === undefined) throw wrong(name, RULES[name], undefined);
  }
  const { client, subscriber, id, encryptionKeys = [], prefix = "freshtoken:", keepFor } = options;
  const { lease = 15_000, commandTimeout = 2_000, failOpen = false, clock = CLOCK } = options;
  const connection = connectionOf(client);
  const listening = subscriber ? connectionOf(subscriber) : connection;
  return {
    connection,
    listening,
    id,
    encryptionKeys,
    prefix,
    lease,
    commandTimeout,
    keepFor,
    failOpen,
    clock,
  };
}

interface Rule {
  readonly is: string;
  allows(value: unknown): boolean;
}

const LONGEST = 2 ** 31 - 1;
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isCount = (value: unknown, least: number, most: number) =>
  Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
const CLIENT: Rule = {
  is: "a client of node-redis or ioredis, or a connection with send() and subscribe()",
  allows: isClient,
};

const RULES: { readonly [K in keyof Required<RedisStoreOptions>]: Rule } = {
  client: CLIENT,
  subscriber: CLIENT,
  id: { is: "a text that names one session, not empty", allows: isText },
  encryptionKeys: {
    is: "a list of { id, key }: ids of letters and digits, each another, and keys of 32 bytes, or CryptoKeys for AES-GCM with 256 bits that may decrypt, the first also encrypt",
    allows: areKeys,
  },
  prefix: { is: "a text without braces", allows: (value) => isText(value) && !/[{}]/.test(value) },
  lease: {
    is: "a whole number of ms, 100 or more",
    allows: (value) => isCount(value, 100, LONGEST),
  },
  commandTimeout: { is: "a whole number of ms, 1 or more", allows: (value) => isCount(value, 1, LONGEST) },
  keepFor: {
    is: "a whole number of ms, 1 or more",
    allows: (value) => isCount(value, 1, Number.MAX_SAFE_INTEGER),
  },
  failOpen: { is: "true or false", allows: (value) => typeof value === "boolean" },
  clock: {
    is: "a clock, with now(), random() and timer()",
    allows: (value) =>
      ["now", "random", "timer"].every((method) => typeof Object(value)[method] === "function"),
  },
};

function areKeys(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0) return false;
  const ids = new Set(value.map((each) => Object(each).id));
  return ids.size === value.length && value.every(isKey);
}

function isKey(value: unknown, index: number): boolean {
  const { id, key } = Object(value);
  const isRaw = key instanceof Uint8Array && key.length === 32;
  return typeof id === "string" && /^[\w-]{1,64}$/.test(id) && (isRaw || isCryptoKey(key, index === 0));
}

function isCryptoKey(key: unknown, encrypts: boolean): boolean {
  if (!(key instanceof CryptoKey)) return false;
  const { name, length } = key.algorithm as AesKeyAlgorithm;
  const usages: readonly string[] = key.usages;
  const isUsable = usages.includes("decrypt") && (!encrypts || usages.includes("encrypt"));
  return name === "AES-GCM" && length === 256 && isUsable;
}

function wrong(name: string, { is }: Rule, value: unknown): TypeError {
  return new TypeError(`\`${name}\` is ${is}, not ${shown(value)}`);
}

// A text or an object may hold a secret: only what cannot is shown as it is.
function shown(value: unknown): string {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
