import {
  createSession,
  type RefreshContext,
  type SessionRecord,
  type SessionStore,
  type TokenResponse,
} from "@freshtoken/core";
import { createGate, createServer, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, rejects } from "./shared-store.ts";
import { createClock, sessionOn, settled } from "./support.ts";

test("stores the next tokens over those that were stored late", async () => {
  const [server, clock, shared] = [createServer(), createClock(), createSharedStore()];
  const { session, events } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  shared.next("save", rejects);
  await session.refresh();
  const answering = server.gate("token", "answer");

  const refreshed = session.refresh();
  await answering.reached(1);
  await clock.advance(300);
  answering.open();
  await refreshed;

  expect(shared.log.filter((line) => /^(saved|lost)/.test(line))).toStrictEqual([
    "saved a0",
    "saved a1",
    "saved a2",
  ]);
  expect(events.filter(({ type }) => type === "storeFailed")).toHaveLength(1);
  expect([clock.timers.all, ledger(server.log).reuses]).toStrictEqual([0, 0]);
});

test.each([
  ["the late one first", [1, 2]],
  ["the late one last", [2, 1]],
])("keeps the first of two answers, also where no store compares: %s", async (_, order) => {
  const [clock, answers, leave] = [createClock(), [createGate(), createGate()], createGate()];
  const { store, held } = lateToLeave(() => leave.pass());
  async function refresh({ attempt }: RefreshContext): Promise<TokenResponse> {
    await answers[attempt - 1]?.pass();
    return { access_token: `a1.${attempt}` };
  }
  const session = createSession({ clock, store, refresh });
  await session.signIn({ access_token: "a0" });
  const refreshed = session.refresh();
  await clock.advance(10_000);

  for (const attempt of order) {
    answers[attempt - 1]?.open();
    await settled();
  }
  leave.open();

  const first = `a1.${order[0]}`;
  expect([(await refreshed).accessToken, held()]).toStrictEqual([first, first]);
  expect(session.state).toMatchObject({ tokens: { accessToken: first } });
});

// A store that writes whatever it is given, and whose exclusive section is left late.
function lateToLeave(leave: () => Promise<void>): { store: SessionStore; held: () => string | undefined } {
  let held: SessionRecord | null = null;
  const store: SessionStore = {
    load: () => held,
    save(record) {
      held = record;
    },
    async exclusive(task) {
      const result = await task();
      await leave();
      return result;
    },
  };
  return { store, held: () => held?.tokens.accessToken };
}
