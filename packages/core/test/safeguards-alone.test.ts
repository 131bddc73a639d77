import type { SessionRecord } from "@freshtoken/core";
import { createServer } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore } from "./shared-store.ts";
import { createClock, sessionOn, settled } from "./support.ts";

test("starts no refresh in the background for tokens that are old when they arrive", async () => {
  const clock = createClock();
  let asked = 0;
  const refresh = async () => {
    asked++;
    return { accessToken: "a1", issuedAt: clock.now() - 3_500_000, expiresAt: clock.now() + 50_000 };
  };
  const tokens = { accessToken: "a0", expiresAt: clock.now() };
  const { session } = sessionOn(createServer(), { clock, tokens, refresh });

  await session.tokens();
  await settled();
  await session.tokens();
  await settled();

  expect(asked).toBe(1);
});

test("believes a rejection only after another look, also where the store does not compare", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { load, save } = shared.peer();
  const store = { load, save: (record: SessionRecord | null) => save(record) };
  const { session } = sessionOn(server, { clock: createClock(), store });
  await session.signIn(server.signIn());
  const { family } = shared.held as SessionRecord;
  const renewed = { family, generation: 1, tokens: { accessToken: "a1" } };
  server.next("token", () => {
    shared.held = renewed;
    return { error: "invalid_grant" };
  });

  expect(await session.refresh()).toStrictEqual({ accessToken: "a1" });
  expect(shared.held).toStrictEqual(renewed);
});
