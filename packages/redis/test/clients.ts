import { Redis } from "ioredis";
import { createClient } from "redis";
import type { RedisClient } from "../src/index.ts";

/** A client that is connected, and its end. */
export interface Connected {
  readonly client: RedisClient;
  close(): void;
}

/** Connects to a server on loopback. Reconnects soon: a test does not wait for long. */
export type Connect = (port: number) => Promise<Connected>;

const throughNodeRedis =
  (RESP: 2 | 3): Connect =>
  async (port) => {
    const socket = { host: "127.0.0.1", port, reconnectStrategy: 50 };
    const client = createClient({ socket, RESP });
    client.on("error", () => {});
    await client.connect();
    return { client, close: () => client.destroy() };
  };

const throughIoredis =
  (protocol: 2 | 3): Connect =>
  async (port) => {
    const more = {
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => 50,
      lazyConnect: true,
      protocol,
    };
    const client = new Redis({ host: "127.0.0.1", port, ...more });
    client.on("error", () => {});
    await client.connect();
    return { client, close: () => client.disconnect() };
  };

export const connectNodeRedis: Connect = throughNodeRedis(3);

export const connectIoredis: Connect = throughIoredis(3);

/** Every client that the store is for, by name. */
export const clients: readonly (readonly [name: string, connect: Connect])[] = [
  ["node-redis", connectNodeRedis],
  ["ioredis", connectIoredis],
];

/** The same, as they cannot listen and send at once. */
export const speakingResp2: typeof clients = [
  ["node-redis", throughNodeRedis(2)],
  ["ioredis", throughIoredis(2)],
];
