import {
  createSession,
  type RefreshContext,
  type SessionRecord,
  type SessionStore,
  type TokenResponse,
} from "@freshtoken/core";
import { createGate, createServer, type Gate, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, late, rejects, type StoreFault } from "./shared-store.ts";
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

test("leaves the generation alone that another has stored while its own could not be", async () => {
  const [server, clock] = [createServer({ grace: { uses: 1 } }), createClock()];
  const shared = createSharedStore();
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  const { session: other } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  await settled();
  shared.next("save", rejects);
  await session.refresh();

  await other.refresh();
  await clock.advance(300);

  expect(shared.held?.tokens.accessToken).toBe("a2");
  expect(clock.timers.all).toBe(0);
});

test("does not undo what another has renewed since its sign-in was stored unheard", async () => {
  const [server, clock, shared] = [createServer(), createClock(), createSharedStore()];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  shared.next("save", (perform) => Promise.resolve(perform()).then(() => Promise.reject(new Error("reset"))));
  await session.signIn(server.signIn());
  const { session: other } = sessionOn(server, { store: shared.peer(), clock });
  shared.next("load", (perform) => perform(), rejects);

  await other.refresh();
  await clock.advance(300);

  expect(shared.held?.tokens.accessToken).toBe("a1");
  expect(session.state).toMatchObject({ tokens: { accessToken: "a1" } });
});

test("stores the next tokens before the section is left where the earlier ones land while they are asked for", async () => {
  const [server, clock, shared, landing] = [createServer(), createClock(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  const { session: other } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  shared.next("save", late(landing));
  const first = session.refresh();
  await clock.advance(10_000);
  await first;
  const answering = server.gate("token", "answer");
  const second = session.refresh();
  await answering.reached(1);
  landing.open();
  await settled();
  answering.open();

  await Promise.all([second, other.refresh()]);

  expect(ledger(server.log)).toMatchObject({ refreshes: 2, reuses: 0 });
});

test("is not undone by a sign-in's save that was given up and comes late", async () => {
  const [server, clock, shared, landing] = [createServer(), createClock(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  shared.next("save", late(landing));
  const signedIn = session.signIn(server.signIn());
  await clock.advance(10_000);
  await signedIn;
  await clock.advance(300);
  await session.refresh();

  landing.open();
  await settled();

  expect(shared.log.filter((line) => /^(saved|lost)/.test(line))).toStrictEqual([
    "saved a0",
    "saved a1",
    "lost a0",
  ]);
  expect(shared.held?.tokens.accessToken).toBe("a1");
});

test("is not undone by a sign-out's save that was given up and comes late", async () => {
  const [server, clock, shared, landing] = [createServer(), createClock(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  shared.next("save", late(landing));
  const signedOut = session.signOut();
  await clock.advance(10_000);
  await signedOut;
  await session.signIn(server.signIn());

  landing.open();
  await settled();

  expect(shared.held?.tokens.accessToken).toBe("2.a0");
  expect(session.state).toMatchObject({ tokens: { accessToken: "2.a0" } });
});

// A rejection empties the store, and a peer signs in before that is answered; then the user signs out:
//   rejected ──▶ save nothing ──▶ (peer signs in) ──▶ sign-out ──▶ the first save is answered ──▶ save nothing
test("stays signed out where a peer signed in while a rejection was being stored", async () => {
  const [server, clock, shared, answering] = [
    createServer(),
    createClock(),
    createSharedStore(),
    createGate(),
  ];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  const { session: other } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  await settled();
  server.next("token", { status: 400, json: { error: "invalid_grant" } });
  shared.next("save", answeredLate(answering));
  const refreshed = session.refresh().catch(() => {});
  await answering.reached(1);
  await other.signIn(server.signIn());
  await settled();

  const signedOut = session.signOut();
  answering.open();
  await Promise.all([refreshed, signedOut]);
  await settled();

  expect(session.state.status).toBe("signedOut");
  expect(shared.held).toBe(null);
});

test("overwrites what a peer has signed in unheard where it signs out again before the first is answered", async () => {
  const [server, clock, shared, answering] = [
    createServer(),
    createClock(),
    createSharedStore(),
    createGate(),
  ];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  shared.next("save", answeredLate(answering));
  const first = session.signOut();
  await answering.reached(1);
  const between = session.signIn(server.signIn());
  const second = session.signOut();
  shared.held = { family: "peer", generation: 0, tokens: { accessToken: "peer" } };

  answering.open();
  await Promise.all([first, between, second]);

  expect(session.state.status).toBe("signedOut");
  expect(shared.held).toBe(null);
});

// It lands at once, and is answered once the gate opens.
function answeredLate(gate: Gate): StoreFault {
  return async (perform) => {
    const stored = perform();
    await gate.pass();
    return stored;
  };
}

// What was signed out is back, by a save that came late: it is another reign, of which an earlier round knows nothing.
test("stores no renewal of a family that was signed out and is back, without serving it", async () => {
  const [server, clock, shared, landing] = [createServer(), createClock(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  const { session: other } = sessionOn(server, { store: shared.peer(), clock });
  shared.next("save", late(landing));
  const signedIn = session.signIn(server.signIn());
  await clock.advance(10_000);
  await signedIn;
  await clock.advance(300);
  shared.next("save", () => new Promise(() => {}));
  const refreshed = other.refresh().catch(() => {});
  await settled();
  await session.signOut();
  await settled();

  landing.open();
  await clock.advance(11_000);
  await refreshed;
  shared.hint();
  await settled();

  const held = shared.held?.tokens.accessToken;
  expect(other.state).toMatchObject({ tokens: { accessToken: held } });
});
