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

export const connectNodeRedis: Connect = async (port) => {
  const socket = { host: "127.0.0.1", port, reconnectStrategy: 50 };
  const client = createClient({ socket });
  client.on("error", () => {});
  await client.connect();
  return { client, close: () => client.destroy() };
};

export const connectIoredis: Connect = async (port) => {
  const client = new Redis({ host: "127.0.0.1", port, lazyConnect: true, retryStrategy: () => 50 });
  client.on("error", () => {});
  await client.connect();
  return { client, close: () => client.disconnect() };
};

/** Every client that the store is for, by name. */
export const clients: readonly (readonly [name: string, connect: Connect])[] = [
  ["node-redis", connectNodeRedis],
  ["ioredis", connectIoredis],
];
