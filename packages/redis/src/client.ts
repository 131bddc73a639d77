import { until } from "./wait.ts";

/**
 * All that the store needs of Redis: to send a command, and to listen to a channel. Made from a client of
 * node-redis or ioredis; write one for whatever else speaks to Redis, a cluster or a Sentinel say.
 */
export interface RedisConnection {
  /**
   * Sends a command to the primary that holds its key (the fourth word). Nobody waits for it any more once the
   * signal aborts: then it need not be sent.
   */
  send(command: readonly string[], options: { readonly signal: AbortSignal }): Promise<unknown>;
  /** Listens to a channel. Resolves with the undo once the server has confirmed it; lasts through reconnects. */
  subscribe(channel: string, heard: (message: string) => void): Promise<() => unknown>;
  /** Tells whenever a connection was made anew, and messages may have been missed. Returns its undo. */
  reconnected?(told: () => void): () => void;
}

/** What is used of a client of node-redis 6. */
export interface NodeRedisClient {
  sendCommand(command: readonly string[], options?: { abortSignal?: AbortSignal }): Promise<unknown>;
  subscribe(channel: string, heard: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string, heard: (message: string) => void): Promise<unknown>;
  on(event: "ready", told: () => void): unknown;
  off(event: "ready", told: () => void): unknown;
}

/** What is used of a client of ioredis 6, or of iovalkey. */
export interface IoredisClient {
  readonly status: string;
  connect(): Promise<unknown>;
  call(name: string, ...args: string[]): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  on(event: "message", heard: (channel: string, message: string) => void): unknown;
  on(event: "ready", told: () => void): unknown;
  off(event: "message", heard: (channel: string, message: string) => void): unknown;
  off(event: "ready", told: () => void): unknown;
}

export type RedisClient = RedisConnection | NodeRedisClient | IoredisClient;

const connections = new WeakMap<RedisClient, RedisConnection>();

/** Makes a connection of a client, once. */
export function connectionOf(client: RedisClient): RedisConnection {
  const known = connections.get(client);
  if (known) return known;
  const made = adapted(client);
  connections.set(client, made);
  return made;
}

export function isClient(value: unknown): value is RedisClient {
  const { send, sendCommand, call, subscribe } = Object(value);
  return (
    [send, sendCommand, call].some((each) => typeof each === "function") && typeof subscribe === "function"
  );
}

function adapted(client: RedisClient): RedisConnection {
  if ("send" in client) return client;
  // A client of ioredis has a sendCommand, too, of another shape.
  return "call" in client ? throughIoredis(client) : throughNodeRedis(client);
}

function throughNodeRedis(client: NodeRedisClient): RedisConnection {
  return {
    send: (command, { signal }) => client.sendCommand(command, { abortSignal: signal }),
    async subscribe(channel, heard) {
      await client.subscribe(channel, heard);
      return () => client.unsubscribe(channel, heard);
    },
    reconnected: (told) => onReady(client, told),
  };
}

function throughIoredis(client: IoredisClient): RedisConnection {
  const heardAt = new Map<string, (message: string) => void>();
  const waiting = new Set<() => void>();
  let forgetReady = () => {};
  // One for all channels: a client warns of many.
  const listener = (channel: string, message: string) => heardAt.get(channel)?.(message);

  // What it is given while it is not connected, the client would send later, also when nobody waits for it any more.
  // One that has ended refuses at once.
  async function ready(signal: AbortSignal): Promise<void> {
    if (client.status === "wait") client.connect().catch(() => {});
    if (client.status === "ready" || client.status === "end") return;
    let go = () => {};
    const woken = new Promise<void>((resolve) => {
      go = resolve;
    });
    if (waiting.size === 0) forgetReady = onReady(client, wake);
    waiting.add(go);
    await until(woken, signal, () => {}).finally(() => {
      waiting.delete(go);
      if (waiting.size === 0) forgetReady();
    });
  }

  function wake(): void {
    for (const go of waiting) go();
  }

  function forget(channel: string): void {
    heardAt.delete(channel);
    if (heardAt.size === 0) client.off("message", listener);
  }

  return {
    async send([name = "", ...args], { signal }) {
      await ready(signal);
      return client.call(name, ...args);
    },
    async subscribe(channel, heard) {
      if (heardAt.size === 0) client.on("message", listener);
      heardAt.set(channel, heard);
      try {
        await client.subscribe(channel);
      } catch (error) {
        forget(channel);
        throw error;
      }
      return () => {
        forget(channel);
        return client.unsubscribe(channel);
      };
    },
    reconnected: (told) => onReady(client, told),
  };
}

function onReady(client: Pick<NodeRedisClient, "on" | "off">, told: () => void): () => void {
  client.on("ready", told);
  return () => client.off("ready", told);
}
