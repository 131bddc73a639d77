import { type StoreSubject, storeContract } from "@freshtoken/testing/contract";
import { afterAll, beforeAll, describe, test } from "vitest";
import { redisStore } from "../src/index.ts";
import { type Connect, type Connected, clients } from "./clients.ts";
import { lacksRedis, type RedisServer, startRedis } from "./redis-server.ts";

let server: RedisServer;
let places = 0;

beforeAll(async () => {
  if (!lacksRedis) server = await startRedis();
});
afterAll(() => server?.close());

/** Each context has a connection of its own, as a machine has. */
function subjectOn(connect: Connect): StoreSubject {
  return {
    begin() {
      const opened: Connected[] = [];
      const id = `place ${++places}`;
      return {
        async open() {
          const connected = await connect(server.port);
          opened.push(connected);
          return redisStore({ client: connected.client, id });
        },
        listeners: noneLeft,
        close() {
          for (const { close } of opened) close();
        },
      };
    },
  };
}

/** An undo is on its way to Redis when it returns. How many are left once none or some have had their time. */
async function noneLeft(): Promise<number> {
  let left = 0;
  for (let tries = 0; tries < 40; tries++) {
    left = (await server.command("PUBSUB", "CHANNELS")).split("$").length - 1;
    if (left === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return left;
}

describe.each(clients)("%s", (_, connect) => {
  for (const { title, lacks, run } of storeContract(subjectOn(connect))) {
    test.skipIf(lacksRedis)(lacks ? `${title}: not here, since ${lacks}` : title, ({ signal }) =>
      run({ signal }),
    );
  }
});
