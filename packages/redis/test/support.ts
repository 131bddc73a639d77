import type { SessionRecord, SessionStore, TokenSet } from "@freshtoken/core";
import { afterAll, afterEach, beforeAll } from "vitest";
import { connectionOf } from "../src/client.ts";
import { type RedisConnection, type RedisStoreOptions, redisStore } from "../src/index.ts";
import { type Connect, connectNodeRedis } from "./clients.ts";
import { lacksRedis, type RedisServer, startRedis } from "./redis-server.ts";

/** A Redis for the tests of one file, and what they open on it. */
export interface Desk {
  readonly redis: RedisServer;
  /** An id that no other test uses. */
  id(): string;
  /** Connects; the connection ends with the test. */
  connect(connect?: Connect): Promise<RedisConnection>;
  /** Opens a store with a connection of its own. */
  open(options: Partial<RedisStoreOptions> & { id: string }): Promise<Required<SessionStore>>;
}

/** Starts Redis for the tests of a file, where there is one. */
export function useRedis(): Desk {
  const ends: (() => void)[] = [];
  let redis: RedisServer | undefined;
  let ids = 0;

  beforeAll(async () => {
    if (!lacksRedis) redis = await startRedis();
  });
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });
  afterAll(() => redis?.close());

  async function connect(through: Connect = connectNodeRedis): Promise<RedisConnection> {
    const { client, close } = await through(Number(redis?.port));
    ends.push(close);
    return connectionOf(client);
  }

  return {
    get redis() {
      return redis as RedisServer;
    },
    id: () => `user ${++ids}`,
    connect,
    open: async (options) => redisStore({ client: await connect(), ...options }),
  };
}

export function recordOf(generation: number, more: TokenSet = {}): SessionRecord {
  const tokens = { accessToken: `a${generation}`, refreshToken: `r${generation}`, ...more };
  return { family: "f", generation, tokens };
}

/** How work ends, as a value. */
export function outcomeOf(work: () => Promise<unknown>): Promise<unknown> {
  return work().catch((error: unknown) => error);
}

/** What a connection was asked, by the outcome of each script and the name of everything else. */
export interface Observed extends RedisConnection {
  readonly sent: string[];
}

/** The same connection, observed. */
export function observed(connection: RedisConnection): Observed {
  const sent: string[] = [];
  return {
    sent,
    async send(command, options) {
      const index = sent.push("…") - 1;
      const reply = await connection.send(command, options);
      sent[index] = Array.isArray(reply) ? String(reply[0]) : String(reply);
      return reply;
    },
    subscribe(channel, heard) {
      sent.push("subscribe");
      return connection.subscribe(channel, heard);
    },
  };
}

/** Never aborts. */
export const never: { readonly signal: AbortSignal } = { signal: new AbortController().signal };
