import type { Clock } from "@freshtoken/core";
import type { RedisConnection } from "./client.ts";
import { jittered, pause } from "./wait.ts";

/** One who listens to a channel. */
export interface Listener {
  heard(message: string): void;
  /** From now on messages are heard, and earlier ones may have been missed. */
  joined(): void;
}

interface Channel {
  readonly listeners: Set<Listener>;
  isSettling: boolean;
  /** Set exactly while the server knows that somebody listens. */
  leave: (() => unknown) | undefined;
}

/** The channels of one connection, which all stores on it share. */
interface Hub {
  readonly channels: Map<string, Channel>;
  forget: (() => void) | undefined;
}

const FIRST_PAUSE = 300;
const LONGEST_PAUSE = 30_000;
// After a reconnect all sessions of a process look again: not at once.
const SPREAD = 1_000;

const hubs = new WeakMap<RedisConnection, Hub>();

/** Listens to a channel; the server is asked once for all who do. Returns the undo. */
export function listen(
  connection: RedisConnection,
  name: string,
  listener: Listener,
  clock: Clock,
): () => void {
  const hub = hubOf(connection);
  const channel = hub.channels.get(name) ?? { listeners: new Set(), isSettling: false, leave: undefined };
  hub.channels.set(name, channel);
  hub.forget ??= connection.reconnected?.(() => rejoined(hub, clock));
  channel.listeners.add(listener);
  if (channel.leave) queueMicrotask(() => channel.listeners.has(listener) && listener.joined());
  void settle(connection, hub, name, clock);
  return () => {
    channel.listeners.delete(listener);
    void settle(connection, hub, name, clock);
  };
}

/** Brings what the server knows in line with who listens, one step after the other: clients mix up what overlaps. */
async function settle(connection: RedisConnection, hub: Hub, name: string, clock: Clock): Promise<void> {
  const channel = hub.channels.get(name);
  if (!channel || channel.isSettling) return;
  channel.isSettling = true;
  for (let failures = 0; channel.listeners.size > 0 !== (channel.leave !== undefined); ) {
    try {
      await step(connection, name, channel);
    } catch {
      await pause(jittered(Math.min(FIRST_PAUSE * 2 ** failures++, LONGEST_PAUSE), clock), clock);
    }
  }
  channel.isSettling = false;
  if (channel.listeners.size === 0) hub.channels.delete(name);
  if (hub.channels.size > 0) return;
  hub.forget?.();
  hub.forget = undefined;
}

async function step(connection: RedisConnection, name: string, channel: Channel): Promise<void> {
  const { leave } = channel;
  if (leave) {
    channel.leave = undefined;
    await leave();
    return;
  }
  channel.leave = await connection.subscribe(name, (message) => {
    for (const listener of [...channel.listeners]) listener.heard(message);
  });
  for (const listener of [...channel.listeners]) listener.joined();
}

function rejoined({ channels }: Hub, clock: Clock): void {
  for (const { listeners } of channels.values()) {
    for (const listener of listeners) {
      const tell = () => listeners.has(listener) && listener.joined();
      clock.timer(() => void tell(), clock.random() * SPREAD, false);
    }
  }
}

function hubOf(connection: RedisConnection): Hub {
  const known = hubs.get(connection) ?? { channels: new Map(), forget: undefined };
  hubs.set(connection, known);
  return known;
}
