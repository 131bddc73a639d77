import type { SessionStore } from "@freshtoken/core";
import { type Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { redisStore } from "../src/index.ts";

const id = "https://login.example.com|web|user 42";

redisStore({ client: createClient(), id }) satisfies SessionStore;
redisStore({ client: createClient({ RESP: 2 }), subscriber: createClient(), id });
redisStore({ client: new Redis(), id });
redisStore({ client: undefined as unknown as Cluster, id });

const cluster = createCluster({ rootNodes: [] });
redisStore({
  id,
  client: {
    send: (command, { signal }) =>
      cluster.sendCommand(command[3] ?? "", false, [...command], { abortSignal: signal }),
    async subscribe(channel, heard) {
      const listener = (message: string | Buffer) => heard(String(message));
      await cluster.subscribe(channel, listener);
      return () => cluster.unsubscribe(channel, listener);
    },
  },
});

// @ts-expect-error — a session has to be named
redisStore({ client: createClient() });

// @ts-expect-error — an address is no client
redisStore({ client: "redis://127.0.0.1", id });
