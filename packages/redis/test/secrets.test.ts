import { inspect } from "node:util";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { describe, expect, test } from "vitest";
import { redisStore } from "../src/index.ts";
import { connectIoredis } from "./clients.ts";
import { lacksRedis } from "./redis-server.ts";
import { never, outcomeOf, recordOf, useRedis } from "./support.ts";

const desk = useRedis();
const accessToken = "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl";
const refreshToken = "v1.MjAyNi0xMS0yN3JlZnJlc2g.token_with-parts~of/all+kinds=";
const secret = recordOf(0, { accessToken, refreshToken });

/** Every part of a token that is long enough to say something of it. */
const parts: readonly string[] = [accessToken, refreshToken].flatMap((token) =>
  Array.from({ length: token.length - 7 }, (_, at) => token.slice(at, at + 8)),
);

function partsIn(shown: unknown): string[] {
  const text = inspect(shown, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null });
  return parts.filter((part) => text.includes(part));
}

describe.skipIf(lacksRedis)("no part of a token, nor the id,", () => {
  test("is in a key, a channel or a message", async () => {
    const socket = { host: "127.0.0.1", port: desk.redis.port };
    const spy = await createClient({ socket }).connect();
    const seen: string[] = [];
    await spy.pSubscribe("*", (message, channel) => void seen.push(channel, message));
    const id = "jane.doe@example.com";
    const store = await desk.open({ id });

    await store.save(secret);
    await store.exclusive(async () => store.save(recordOf(1, secret.tokens), secret), never);
    const keys = (await spy.keys("*")).join();
    await store.save(null);
    // Messages come in order: by then all others have.
    await new Promise<void>(
      (resolve) => void spy.subscribe("end", () => resolve()).then(() => spy.publish("end", "")),
    );
    spy.destroy();

    expect(seen.length).toBeGreaterThanOrEqual(8);
    expect(keys).toContain("freshtoken:{");
    expect([partsIn(seen), partsIn(keys)]).toStrictEqual([[], []]);
    expect(`${seen} ${keys}`).not.toMatch(/jane|doe|example/);
  });

  test("is in an error: of a client that has closed, of a server that refuses, of a record that is broken", async () => {
    const ioredis = new Redis({ host: "127.0.0.1", port: desk.redis.port });
    // The client's own error quotes what it was to send.
    const raw = await outcomeOf(() => ioredis.call("EVALSHA", "0", "0", accessToken));
    ioredis.disconnect();
    const closed = redisStore({ client: ioredis, id: "closed" });
    const id = desk.id();
    const broken = await desk.open({ id, client: await desk.connect(connectIoredis) });
    await broken.save(secret);
    const errors = [await outcomeOf(async () => closed.save(secret))];
    await desk.redis.command(
      "EVAL",
      "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('HSET', key, 'tokens', ARGV[1]) end",
      "0",
      `{"accessToken":"${accessToken}",`,
    );
    errors.push(await outcomeOf(async () => (await desk.open({ id })).load()));
    await desk.redis.command(
      "EVAL",
      "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('SET', key, '') end",
      "0",
    );
    errors.push(await outcomeOf(async () => broken.save(secret)));
    await desk.redis.command("FLUSHALL");

    expect(errors.map((error) => partsIn(error))).toStrictEqual([[], [], []]);
    expect(errors.map((error) => error instanceof Error)).toStrictEqual([true, false, true]);
    expect(partsIn(raw)).not.toStrictEqual([]);
  });
});
