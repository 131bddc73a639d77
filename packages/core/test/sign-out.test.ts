import { memoryStore, type TokenSet } from "@freshtoken/core";
import { createGate, createServer, ledger, type Server, story } from "@freshtoken/testing";
import { expect, test, vi } from "vitest";
import { createSharedStore, hangs, late, rejects } from "./shared-store.ts";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

/** Revokes at the server, and remembers what. */
function revokeAt(server: Server, revoked: unknown[] = []): (tokens: TokenSet) => Promise<void> {
  return async ({ refreshToken = "" }) => {
    revoked.push(refreshToken);
    await server.fetch("/revoke", { method: "POST", body: new URLSearchParams({ token: refreshToken }) });
  };
}

test("signs out at once, empties the store and revokes the newest token set", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const store = shared.peer();
  const { session, events } = sessionOn(server, { clock: createClock(), store, revoke: revokeAt(server) });
  await session.signIn(server.signIn());
  await session.refresh();

  const signedOut = session.signOut();
  const state = session.state;
  await signedOut;
  await settled();

  expect([state, shared.held]).toStrictEqual([{ status: "signedOut" }, null]);
  expect(events.at(-1)).toStrictEqual({ type: "signedOut", by: "us" });
  expect(story(server.log).slice(-2)).toStrictEqual(["→ revoke r1", "← 200 revoke r1: revoked"]);
});

test("passes requests through without a token after a sign-out, and their 401s come back untouched", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  await session.signOut();

  const answer = await clientOf(session, server)("/me");

  expect(answer.status).toBe(401);
  expect(story(server.log).slice(1)).toStrictEqual(["→ GET /me", "← 401 GET /me"]);
  expect(await session.tokens().catch(({ code }) => code)).toBe("ERR_SIGNED_OUT");
  expect(await session.refresh().catch(({ code }) => code)).toBe("ERR_SIGNED_OUT");
});

test("revokes the newest token set that the store has, where a peer has renewed it unheard", async () => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const { subscribe, ...store } = shared.peer();
  const revoke = revokeAt(server, revoked);
  const { session } = sessionOn(server, { clock: createClock(), store, revoke });
  await session.signIn(server.signIn());
  const family = shared.held?.family ?? "";
  shared.held = { family, generation: 4, tokens: { accessToken: "a4", refreshToken: "r4" } };

  await session.signOut();
  await settled();

  expect([revoked, shared.held]).toStrictEqual([["r4"], null]);
});

test("signs out a session that was still being loaded, and revokes what the store has", async () => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const gate = createGate();
  shared.held = { family: "one", generation: 2, tokens: { accessToken: "a2", refreshToken: "r2" } };
  shared.next("load", late(gate));
  const options = { clock: createClock(), store: shared.peer(), revoke: revokeAt(server, revoked) };
  const { session } = sessionOn(server, options);
  const held = clientOf(session, server)("/me").catch(({ code }) => code);

  await session.signOut();
  gate.open();
  await settled();

  expect([session.state, shared.held, revoked]).toStrictEqual([{ status: "signedOut" }, null, ["r2"]]);
  expect(await held).toBe("ERR_SIGNED_OUT");
});

test("rejects what is held or refused with SignedOutError, and never sends it", async () => {
  const server = createServer({ expiresIn: 1 });
  const clock = createClock();
  const { session } = sessionOn(server, { clock });
  await session.signIn({ ...server.signIn(), expires_in: 1 });
  await clock.advance(2000);
  const gate = server.gate("token");
  const api = clientOf(session, server);
  const codes = [api("/1"), api("/2"), session.tokens()].map((call) => call.catch(({ code }) => code));
  await gate.reached(1);

  await session.signOut();
  gate.open();
  await settled();

  expect(await Promise.all(codes)).toStrictEqual(["ERR_SIGNED_OUT", "ERR_SIGNED_OUT", "ERR_SIGNED_OUT"]);
  expect(ledger(server.log).requests).toBe(0);
});

test.each([
  { when: "before the server has rotated", hold: "request" as const },
  { when: "after the server has rotated", hold: "answer" as const },
])("overtakes a round $when: its late result is revoked, not stored, not served", async ({ hold }) => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const options = {
    clock: createClock(),
    store: shared.peer(),
    revoke: async (t: TokenSet) => void revoked.push(t.refreshToken),
  };
  const { session, events } = sessionOn(server, options);
  await session.signIn(server.signIn());
  const gate = server.gate("token", hold);
  const refreshed = session.refresh().catch(({ code }) => code);
  await gate.reached(1);

  await session.signOut();
  gate.open();
  await settled();

  expect(await refreshed).toBe("ERR_SIGNED_OUT");
  expect([session.state, shared.held, revoked]).toStrictEqual([{ status: "signedOut" }, null, ["r0", "r1"]]);
  expect(events.map(({ type }) => type)).toStrictEqual(["signedIn", "refreshStarted", "signedOut"]);
});

test("ends the exclusive section that its own round is in", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  server.next("token", { hang: "before" });
  const refreshed = session.refresh().catch(({ code }) => code);
  await settled();
  shared.log.length = 0;

  await session.signOut();
  await settled();

  expect(await refreshed).toBe("ERR_SIGNED_OUT");
  expect([...shared.log].sort()).toStrictEqual([
    "leave",
    "load",
    "loaded a0",
    "save nothing",
    "saved nothing",
  ]);
});

test("ends a round that sleeps between attempts", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.next("token", { status: 503 });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const refreshed = session.refresh().catch(({ code }) => code);
  await server.when((log) => ledger(log).attempts === 1);
  await settled();

  await session.signOut();
  await settled();

  expect([await refreshed, clock.timers]).toStrictEqual(["ERR_SIGNED_OUT", { all: 0, keepAlive: 0 }]);
  await clock.advance(60_000);
  expect(ledger(server.log).attempts).toBe(1);
});

test("does not repeat a lost answer after a sign-out", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.next("token", { hang: "before" });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const refreshed = session.refresh().catch(({ code }) => code);
  await settled();

  await session.signOut();
  await clock.advance(60_000);

  expect(await refreshed).toBe("ERR_SIGNED_OUT");
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 0 });
});

test("has the last word over a save in flight, and revokes what that would have stored", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const revoked: unknown[] = [];
  const revoke = async (tokens: TokenSet) => void revoked.push(tokens.refreshToken);
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer(), revoke });
  await session.signIn(server.signIn());
  shared.next("save", late(gate));
  const refreshed = session.refresh().catch(({ code }) => code);
  await gate.reached(1);

  const signedOut = session.signOut();
  gate.open();
  await signedOut;
  await settled();

  expect([await refreshed, shared.held, session.state]).toStrictEqual([
    "ERR_SIGNED_OUT",
    null,
    { status: "signedOut" },
  ]);
  expect(revoked.at(-1)).toBe("r1");
});

test.each([
  { what: "hangs", revoke: () => new Promise<void>(() => {}) },
  { what: "rejects", revoke: () => Promise.reject(new Error("no")) },
  {
    what: "throws",
    revoke: () => {
      throw new Error("no");
    },
  },
])("is not held up by a revoke that $what", async ({ revoke }) => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock, revoke });
  await session.signIn(server.signIn());

  await session.signOut();
  await session.signIn(server.signIn());

  expect((await clientOf(session, server)("/me")).status).toBe(200);
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("revokes after the state has settled", async () => {
  const server = createServer();
  const seen: unknown[] = [];
  const { session } = sessionOn(server, {
    clock: createClock(),
    revoke: async () => void seen.push(session.state),
  });
  await session.signIn(server.signIn());

  await session.signOut();
  await settled();

  expect(seen).toStrictEqual([{ status: "signedOut" }]);
});

test("revokes the tokens in memory when the store cannot be read", async () => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const options = { clock: createClock(), store: shared.peer(), revoke: revokeAt(server, revoked) };
  const { session } = sessionOn(server, options);
  await session.signIn(server.signIn());
  shared.next("load", rejects);

  await session.signOut();
  await settled();

  expect([revoked, shared.held]).toStrictEqual([["r0"], null]);
});

test("resolves at the deadlines when the store hangs, and revokes then", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const revoked: unknown[] = [];
  const { session } = sessionOn(server, { clock, store: shared.peer(), revoke: revokeAt(server, revoked) });
  await session.signIn(server.signIn());
  shared.next("load", hangs);
  shared.next("save", hangs);

  const signedOut = session.signOut();
  await clock.advance(20_000);
  await signedOut;

  expect(revoked).toStrictEqual(["r0"]);
});

test("does nothing when nobody is signed in", async () => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const options = { clock: createClock(), store: shared.peer(), revoke: revokeAt(server, revoked) };
  const { session, events } = sessionOn(server, options);
  await session.loaded;

  await session.signOut();
  await session.signOut();

  expect([events, revoked, shared.log]).toStrictEqual([[{ type: "loaded" }], [], ["load", "loaded nothing"]]);
});

test("revokes once for a sign-out that is asked for twice", async () => {
  const [server, revoked] = [createServer(), [] as unknown[]];
  const { session, events } = sessionOn(server, { clock: createClock(), revoke: revokeAt(server, revoked) });
  await session.signIn(server.signIn());

  await Promise.all([session.signOut(), session.signOut()]);
  await settled();

  expect(revoked).toStrictEqual(["r0"]);
  expect(events.filter(({ type }) => type === "signedOut")).toHaveLength(1);
});

test("revokes nothing once somebody has signed in while the sign-out was being stored", async () => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const options = { clock: createClock(), store: shared.peer(), revoke: revokeAt(server, revoked) };
  const { session } = sessionOn(server, options);
  await session.signIn(server.signIn());
  const gate = createGate();
  shared.next("save", late(gate));

  const signedOut = session.signOut();
  await gate.reached(1);
  const signedIn = session.signIn(server.signIn());
  gate.open();
  await Promise.all([signedOut, signedIn]);
  await settled();

  expect([shared.held?.tokens.accessToken, revoked]).toStrictEqual(["2.a0", []]);
});

test("is stored at once although load() hangs, which tells what to revoke", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const revoked: unknown[] = [];
  const { session } = sessionOn(server, { clock, store: shared.peer(), revoke: revokeAt(server, revoked) });
  await session.signIn(server.signIn());
  shared.next("load", hangs);

  await session.signOut();
  const before = [shared.held, [...revoked]];
  await clock.advance(10_000);

  expect([before, revoked]).toStrictEqual([[null, []], ["r0"]]);
});

test("revokes nothing at a second sign-out, while the first is not stored", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const revoked: unknown[] = [];
  const { session } = sessionOn(server, { clock, store: shared.peer(), revoke: revokeAt(server, revoked) });
  await session.signIn(server.signIn());
  shared.next("save", rejects, rejects);

  await session.signOut();
  await session.signOut();
  await settled();

  expect([revoked, shared.held?.tokens.accessToken]).toStrictEqual([["r0"], "a0"]);
});

test("rejects what was refused although the client signs out while it gives the socket back", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  server.expire();
  let outcome = "pending";

  const exchange = {
    url: `${server.origin}/me`,
    method: "GET",
    replayable: true,
    send: (headers: Record<string, string>) => server.fetch("/me", { headers }),
    answer: (response: Response) => ({ status: response.status, field: () => null, response }),
    release(response: Response) {
      void session.signOut();
      return response;
    },
  };
  session
    .connect({ origins: [server.origin] })
    .send(exchange)
    .catch(({ code }) => {
      outcome = code;
    });
  await settled();

  expect(outcome).toBe("ERR_SIGNED_OUT");
});

test("writes nothing more where a rejection has emptied the store already", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  server.withdraw();
  await session.refresh().catch(() => {});
  const before = shared.log.length;

  await session.signOut();

  expect(shared.log.slice(before)).toStrictEqual([]);
});

test("begins no write of what it has signed out, at whatever microtask it comes", async () => {
  for (let depth = 0; depth < 40; depth++) {
    const [server, shared] = [createServer(), createSharedStore()];
    const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
    await session.signIn(server.signIn());
    const gate = server.gate("token", "answer");
    const refreshed = session.refresh().catch(() => {});
    await gate.reached(1);
    gate.open();
    for (let tick = 0; tick < depth; tick++) await null;

    const before = shared.log.length;
    await session.signOut();
    await refreshed;

    expect(shared.log.slice(before), `${depth} microtasks`).not.toContain("save a1");
  }
});

test("revokes what a save in flight stores, however long that takes", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const revoked: unknown[] = [];
  const revoke = async (tokens: TokenSet) => void revoked.push(tokens.refreshToken);
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer(), revoke });
  await session.signIn(server.signIn());
  shared.next("save", late(gate));
  const refreshed = session.refresh().catch(({ code }) => code);
  await gate.reached(1);

  const signedOut = session.signOut();
  await settled();
  gate.open();
  await signedOut;
  await settled();

  expect([await refreshed, shared.held, revoked]).toStrictEqual(["ERR_SIGNED_OUT", null, ["r1"]]);
});

test("revokes its own tokens, not those of another family that the store holds by then", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const revoked: TokenSet[] = [];
  const revoke = async (tokens: TokenSet) => void revoked.push(tokens);
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer(), revoke });
  await session.signIn(server.signIn());
  shared.held = { family: "two", generation: 3, tokens: { accessToken: "2.a3" } };

  await session.signOut();
  await settled();

  expect(revoked.map(({ accessToken }) => accessToken)).toStrictEqual(["a0"]);
});

test("revokes the tokens it has, where the store holds older ones", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const revoked: TokenSet[] = [];
  const revoke = async (tokens: TokenSet) => void revoked.push(tokens);
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer(), revoke });
  await session.signIn(server.signIn());
  shared.next("save", rejects);
  await session.refresh();

  await session.signOut();
  await settled();

  expect(revoked.map(({ accessToken }) => accessToken)).toStrictEqual(["a1"]);
});

test("waits for the store, also when it is asked a second time", async () => {
  const [server, shared, saving] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", late(saving));
  const ends: string[] = [];

  const first = session.signOut().then(() => ends.push("first"));
  const second = session.signOut().then(() => ends.push("second"));
  await settled();
  const before = [...ends];
  saving.open();
  await Promise.all([first, second]);

  expect([before, ends]).toStrictEqual([[], ["first", "second"]]);
});

test("leaves no rejection unhandled where there is nobody to sign out, and the store is slow", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const held = { family: "one", generation: 0, tokens: { accessToken: "a0" } };
  const [shared, saving] = [createSharedStore(held), createGate()];
  shared.next("load", hangs);
  shared.next("save", late(saving));
  const options = { clock: createClock(), store: shared.peer(), revoke: async () => {} };
  const { session } = sessionOn(createServer(), options);

  const signedOut = session.signOut();
  await saving.reached(1);
  await settled();
  saving.open();
  await signedOut;
  await settled();
  process.off("unhandledRejection", unhandled);

  expect(unhandled.mock.calls).toStrictEqual([]);
});

test("stays signed out where a rejection could not be stored, and a peer stores a renewal during the sign-out", async () => {
  const [server, clock] = [createServer({ grace: { uses: 1 } }), createClock()];
  const [shared, removing] = [createSharedStore(), createGate()];
  const { session } = sessionOn(server, { store: shared.peer(), clock });
  const { session: other } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  await settled();
  shared.next("save", rejects, rejects);
  await other.refresh();
  server.next("token", { status: 400, json: { error: "invalid_grant" } });
  await session.refresh().catch(() => {});
  shared.next("save", late(removing));

  const signedOut = session.signOut();
  await removing.reached(1);
  await clock.advance(1_000);
  removing.open();
  await signedOut;
  await settled();

  expect([session.state.status, shared.held]).toStrictEqual(["signedOut", null]);
});

test.each(["waitUntil", "load", "exclusive"])(
  "empties the store where %s signs out while a refresh begins",
  async (name) => {
    const [server, clock, store] = [createServer(), createClock(), memoryStore()];
    let leave = () => {};
    const leaves = (where: string) => {
      if (where === name) leave();
    };
    const { session } = sessionOn(server, {
      clock,
      waitUntil: () => leaves("waitUntil"),
      store: {
        ...store,
        load() {
          leaves("load");
          return store.load();
        },
        exclusive(task) {
          leaves("exclusive");
          return task();
        },
      },
    });
    await session.signIn(server.signIn());
    let signedOut: Promise<void> | undefined;
    leave = () => {
      leave = () => {};
      signedOut = session.signOut();
    };

    await session.refresh().catch(() => {});
    await signedOut;

    expect([session.state.status, store.load()]).toStrictEqual(["signedOut", null]);
  },
);
