import type { Session, SessionEvent, SessionOptions, SessionRecord, SessionStore } from "@freshtoken/core";
import { createGate, createServer, ledger, type Server, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, late, rejects, type SharedStore } from "./shared-store.ts";
import { clientOf, createClock, type ManualClock, refreshAt, sessionOn, settled } from "./support.ts";

interface Peers {
  readonly server: Server;
  readonly shared: SharedStore;
  readonly clock: ManualClock;
  readonly sessions: readonly Session[];
  readonly one: Session;
  readonly two: Session;
  /** What the second says from here on. */
  readonly heard: SessionEvent[];
}

/** Sessions that share a store and are signed in. */
async function peers(options: Partial<SessionOptions> = {}, count = 2): Promise<Peers> {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const made = Array.from({ length: count }, () =>
    sessionOn(server, { clock, store: shared.peer(), ...options }),
  );
  const sessions = made.map(({ session }) => session);
  await sessions[0]?.signIn(server.signIn());
  await settled();
  shared.log.length = 0;
  for (const { events } of made) events.length = 0;
  const [one, two] = sessions as [Session, Session];
  return { server, shared, clock, sessions, one, two, heard: made[1]?.events ?? [] };
}

test("refreshes once for all sessions that share a store", async () => {
  const { server, sessions } = await peers({}, 5);
  const apis = sessions.map((session) => clientOf(session, server));
  server.expire();

  const answers = await Promise.all(apis.flatMap((api) => Array.from({ length: 20 }, () => api("/me"))));

  expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([200]));
  expect(ledger(server.log)).toStrictEqual({
    signIns: 1,
    attempts: 1,
    refreshes: 1,
    reuses: 0,
    revocations: 0,
    requests: 200,
    refusals: 100,
    answers: 100,
    unanswered: 0,
  });
});

test("refreshes once for all who ask for it together", async () => {
  const { server, sessions } = await peers({}, 5);

  const tokens = await Promise.all(sessions.map((session) => session.refresh()));

  expect(tokens.map(({ accessToken }) => accessToken)).toStrictEqual(["a1", "a1", "a1", "a1", "a1"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, reuses: 0 });
});

test("covers one load, one attempt and one save by the exclusive section", async () => {
  const { server, shared, one } = await peers({}, 1);
  server.next("token", () => void shared.log.push("attempt"));

  await one.refresh();

  expect(shared.log).toStrictEqual(["enter", "load", "loaded a0", "attempt", "save a1", "saved a1", "leave"]);
});

// A section that the store ends before its time, as a page does that is left.
function endingEarly(shared: SharedStore): () => Promise<void> {
  let end = (_: Error) => {};
  const ended = new Promise<never>((_, reject) => {
    end = reject;
  });
  shared.next("exclusive", (perform) => Promise.race([perform(), ended]));
  return () => {
    end(new Error("the page was left"));
    return settled();
  };
}

test("redeems nothing where the section has ended while it loaded, and goes in again", async () => {
  const { server, shared, clock, one } = await peers({}, 1);
  const gate = createGate();
  shared.next("load", late(gate));
  const end = endingEarly(shared);

  const refreshed = one.refresh();
  await gate.reached(1);
  await end();
  gate.open();
  await settled();
  expect(ledger(server.log)).toMatchObject({ attempts: 0 });
  await clock.advance(300);

  expect(await refreshed).toMatchObject({ accessToken: "a1" });
  expect(shared.log.filter((line) => line === "enter")).toHaveLength(2);
});

test("repeats no lost answer where the section has ended meanwhile: another may be redeeming", async () => {
  const { server, shared, clock, one, two } = await peers();
  const gate = createGate();
  server.next("token", { reset: "before", actAfter: gate });
  const end = endingEarly(shared);

  const refreshed = one.refresh();
  await gate.reached(1);
  await end();
  gate.open();
  await settled();
  expect(ledger(server.log)).toMatchObject({ attempts: 1 });
  await two.refresh();
  await clock.advance(300);

  expect(await refreshed).toMatchObject({ accessToken: "a1" });
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1, reuses: 0 });
});

test("repeats a lost answer inside the exclusive section", async () => {
  const { server, shared, one } = await peers();
  server.next("token", { reset: "before" });

  await one.refresh();

  expect(shared.log.filter((line) => /enter|leave|save/.test(line))).toStrictEqual([
    "enter",
    "save a1",
    "saved a1",
    "leave",
  ]);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1, reuses: 0 });
});

test("does not repeat a lost answer where a peer has renewed unheard meanwhile", async () => {
  const { server, shared, one, clock } = await peers();
  const quiet: SessionStore = {
    load: () => shared.held,
    save(record) {
      shared.held = record;
    },
  };
  const { session: two } = sessionOn(server, { clock, store: quiet });
  await two.loaded;
  server.next("token", { hang: "before" });
  const refreshed = one.refresh();
  await settled();
  await two.refresh();

  await clock.advance(10_000);

  expect((await refreshed).accessToken).toBe("a1");
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1, reuses: 0 });
});

test("does not repeat a lost answer in a section of which the store does not tell any more", async () => {
  const { server, shared, one, clock } = await peers();
  server.next("token", { reset: "after" });
  const answering = server.gate("token", "answer");
  const refreshed = one.refresh().catch(({ code }) => code);
  await answering.reached(1);
  shared.next("load", rejects);
  answering.open();
  await settled();
  const attempts = ledger(server.log).attempts;

  await clock.advance(300);
  await refreshed;

  expect([attempts, ledger(server.log).attempts]).toStrictEqual([1, 2]);
  expect(shared.log.filter((line) => line === "enter")).toHaveLength(2);
});

test("sleeps outside the exclusive section: another refreshes meanwhile, and its tokens are adopted", async () => {
  const { server, one, two, clock } = await peers();
  server.next("token", { status: 503 });
  const refreshed = one.refresh();
  await server.when((log) => ledger(log).attempts === 1);
  await settled();

  const others = await two.refresh();
  await clock.advance(300);

  expect(others.accessToken).toBe("a1");
  expect((await refreshed).accessToken).toBe("a1");
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1, reuses: 0 });
});

test("adopts a newer generation that it finds in the section, instead of refreshing", async () => {
  const { server, shared, one, heard } = await peers();
  shared.held = {
    family: shared.held?.family ?? "",
    generation: 1,
    tokens: { accessToken: "a1", refreshToken: "r1" },
  };

  const tokens = await one.refresh();
  await settled();

  expect(tokens).toStrictEqual({ accessToken: "a1", refreshToken: "r1" });
  expect(ledger(server.log).attempts).toBe(0);
  expect([shared.log, heard]).toStrictEqual([["enter", "load", "loaded a1", "leave"], []]);
});

test("redeems the refresh token just loaded", async () => {
  const { server, shared, one } = await peers();
  const other = server.signIn();
  const { family } = shared.held as SessionRecord;
  shared.held = { family, generation: 0, tokens: { accessToken: "a0", refreshToken: other.refresh_token } };

  await one.refresh();

  expect(story(server.log).slice(2)).toStrictEqual(["→ token 2.r0", "← 200 token 2.r0: rotated, 2.a1 2.r1"]);
});

test("tells of tokens that another has renewed", async () => {
  const { one, two, heard } = await peers();

  const tokens = await one.refresh();
  await settled();

  expect(two.state).toStrictEqual({ status: "signedIn", tokens, refreshing: false });
  expect(heard).toStrictEqual([{ type: "refreshed", by: "another" }]);
});

test("lets those who wait go on with another's tokens, and stays refreshing until its attempt ends", async () => {
  const { server, shared, one } = await peers();
  const gate = server.gate("token", "answer");
  const refreshed = one.refresh();
  await gate.reached(1);
  const { family } = shared.held as SessionRecord;
  shared.held = { family, generation: 2, tokens: { accessToken: "a2" } };
  shared.hint();

  const tokens = await refreshed;
  const during = one.state;
  gate.open();
  await settled();

  expect(tokens).toStrictEqual({ accessToken: "a2" });
  expect(during).toStrictEqual({ status: "signedIn", tokens, refreshing: true });
  expect(one.state).toStrictEqual({ status: "signedIn", tokens, refreshing: false });
  expect(shared.held?.generation).toBe(2);
});

test("believes a rejection only after another load: a peer's newer tokens are adopted instead", async () => {
  const { server, shared, one } = await peers();
  const { family } = shared.held as SessionRecord;
  server.next("token", () => {
    shared.held = { family, generation: 1, tokens: { accessToken: "a1" } };
    return { error: "invalid_grant" };
  });

  expect(await one.refresh()).toStrictEqual({ accessToken: "a1" });
  expect(one.state.status).toBe("signedIn");
  expect(shared.held?.generation).toBe(1);
});

test("believes a rejection when another load shows the same generation, and empties the store", async () => {
  const { server, shared, one, two, heard } = await peers();
  server.withdraw();

  const code = await one.refresh().catch((error) => error.code);
  await settled();

  expect([code, shared.held, two.state]).toStrictEqual([
    "ERR_REFRESH_REJECTED",
    null,
    { status: "signedOut" },
  ]);
  expect(heard).toStrictEqual([{ type: "signedOut", by: "another" }]);
  expect(shared.log.slice(0, 8)).toStrictEqual([
    "enter",
    "load",
    "loaded a0",
    "load",
    "loaded a0",
    "save nothing",
    "saved nothing",
    "load",
  ]);
});

test.each([
  { what: "the load after it fails", call: "load" as const, code: "ERR_REFRESH_FAILED", status: "signedIn" },
  { what: "its save fails", call: "save" as const, code: "ERR_REFRESH_REJECTED", status: "signedOut" },
])("takes a rejection for $code where $what", async ({ call, code, status }) => {
  const { server, shared, one } = await peers();
  server.next("token", () => {
    shared.next(call, rejects);
    return { error: "invalid_grant" };
  });

  expect(await one.refresh().catch((error) => error.code)).toBe(code);
  expect(one.state.status).toBe(status);
});

test("does not end the session of somebody who signed in while a rejection was on its way", async () => {
  const { server, shared, one } = await peers();
  const two: SessionRecord = { family: "two", generation: 0, tokens: { accessToken: "2.a0" } };
  shared.next("save", (perform) => {
    shared.held = two;
    return perform();
  });
  server.withdraw();

  expect(await one.refresh().catch((error) => error.code)).toBe("ERR_SIGNED_OUT");
  expect([one.state, shared.held]).toStrictEqual([
    { status: "signedIn", tokens: two.tokens, refreshing: false },
    two,
  ]);
});

test("takes whoever cannot get the section in time for failed, never for rejected", async () => {
  const { server, one, two, clock } = await peers({ refreshTimeout: 1000 });
  server.always("token", { hang: "before" });
  const first = one.refresh().catch(({ code }) => code);
  await settled();
  const second = two.refresh().catch(({ code, cause }) => [code, cause.message]);

  await clock.advance(1000);

  expect(await second).toStrictEqual([
    "ERR_REFRESH_FAILED",
    "exclusive() of the store took longer than 1000 ms",
  ]);
  expect(two.state).toMatchObject({ status: "signedIn", refreshing: false });
  await clock.advance(10_000);
  expect(await first).toBe("ERR_REFRESH_FAILED");
});

test("gets its turn in the order in which they came", async () => {
  const { server, sessions } = await peers({}, 3);
  const gate = server.gate("token");
  server.always("token", { status: 400, json: { error: "invalid_scope" } });
  const codes = sessions.map((session) => session.refresh().catch(({ code }) => code));
  await gate.reached(1);
  await settled();

  const before = ledger(server.log).attempts;
  gate.open();

  expect(await Promise.all(codes)).toStrictEqual(Array(3).fill("ERR_REFRESH_FAILED"));
  expect([before, ledger(server.log).attempts]).toStrictEqual([1, 3]);
});

test("saves the result against the record it replaces", async () => {
  const shared = createSharedStore();
  const [server, store] = [createServer(), shared.peer()];
  const expected: unknown[] = [];
  const save: typeof store.save = (record, over) => {
    expected.push(over === undefined ? "whatever" : (over?.generation ?? null));
    return store.save(record, over);
  };
  const { session } = sessionOn(server, { clock: createClock(), store: { ...store, save } });

  await session.signIn(server.signIn());
  await session.refresh();
  await session.refresh();
  await session.signOut();

  expect(expected).toStrictEqual([null, 0, 1, 2]);
});

test("signs everybody out when one signs out", async () => {
  const { server, one, two, heard } = await peers();
  const gate = server.gate("/me", "answer");
  const sent = clientOf(two, server)("/me");
  await gate.reached(1);

  await one.signOut();
  await settled();
  gate.open();

  expect((await sent).status).toBe(200);
  expect(two.state).toStrictEqual({ status: "signedOut" });
  expect(heard).toStrictEqual([{ type: "signedOut", by: "another" }]);
});

test("signs everybody in when one signs in", async () => {
  const { server, one, two, heard } = await peers();
  await one.signOut();
  await settled();
  heard.length = 0;

  await one.signIn(server.signIn());
  await settled();

  expect(two.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "2.a0" } });
  expect(heard).toStrictEqual([{ type: "signedIn", by: "another" }]);
});

test.each([
  { change: "sign-out", by: (peer: Session) => peer.signOut(), held: undefined, type: "signedOut" },
  {
    change: "sign-in",
    by: (peer: Session) => peer.signIn({ accessToken: "2.a0" }),
    held: "2.a0",
    type: "signedIn",
  },
])("drops the result of a round that a peer's $change overtook", async ({ by, held, type }) => {
  const { server, shared, one, two, heard } = await peers();
  const gate = server.gate("token", "answer");
  server.expire();
  const code = clientOf(two, server)("/me").catch((error) => error.code);
  await gate.reached(1);

  await by(one);
  await settled();
  gate.open();
  await settled();

  expect(await code).toBe("ERR_SIGNED_OUT");
  expect(shared.held?.tokens.accessToken).toBe(held);
  expect(heard.map((event) => event.type)).toStrictEqual(["refreshStarted", type]);
  expect(two.state).toMatchObject({ status: type });
  expect(ledger(server.log)).toMatchObject({ requests: 1, refreshes: 1 });
});

test("revokes the late result of a round that a peer's sign-out overtook", async () => {
  const revoked: unknown[] = [];
  const { server, one, two } = await peers({
    revoke: async (tokens) => void revoked.push(tokens.refreshToken),
  });
  const gate = server.gate("token", "answer");
  const refreshed = two.refresh().catch(({ code }) => code);
  await gate.reached(1);

  await one.signOut();
  await settled();
  gate.open();
  await settled();

  expect([await refreshed, revoked]).toStrictEqual(["ERR_SIGNED_OUT", ["r0", "r1"]]);
});

test("revokes nothing of a round that a peer's sign-in overtook", async () => {
  const revoked: unknown[] = [];
  const { server, one, two } = await peers({ revoke: async (tokens) => void revoked.push(tokens) });
  const gate = server.gate("token", "answer");
  const refreshed = two.refresh().catch(({ code }) => code);
  await gate.reached(1);

  await one.signIn(server.signIn());
  await settled();
  gate.open();
  await settled();

  expect([await refreshed, revoked]).toStrictEqual(["ERR_SIGNED_OUT", []]);
});

test("never sends a request held under one family under the one that a peer signed in", async () => {
  const { server, one, two } = await peers();
  const gate = server.gate("token", "answer");
  const refreshed = two.refresh().catch(() => {});
  server.expire();
  const refused = clientOf(two, server)("/refused").catch(({ code }) => code);
  await gate.reached(1);
  await settled();
  const held = clientOf(two, server)("/held").catch(({ code }) => code);

  await one.signIn(server.signIn());
  await settled();
  gate.open();
  await refreshed;

  expect(await Promise.all([refused, held])).toStrictEqual(["ERR_SIGNED_OUT", "ERR_SIGNED_OUT"]);
  expect(story(server.log).filter((line) => line.startsWith("→ GET"))).toStrictEqual(["→ GET /refused a0"]);
});

test("keeps unsaved tokens that are newer than the store's, and does not adopt the older", async () => {
  const { server, shared, one } = await peers();
  shared.next("save", rejects);
  await one.refresh();

  shared.hint();
  await settled();

  expect(one.state).toMatchObject({ tokens: { accessToken: "a1" } });
  expect((await one.refresh()).accessToken).toBe("a2");
  expect(ledger(server.log)).toMatchObject({ refreshes: 2, reuses: 0 });
});

test("adopts the winner's tokens where two without an exclusive section refresh together", async () => {
  const [server, shared, clock] = [createServer({ grace: { uses: 1 } }), createSharedStore(), createClock()];
  const open = () => {
    const { exclusive, subscribe, ...store } = shared.peer();
    return sessionOn(server, { clock, store });
  };
  const first = open();
  await first.session.signIn(server.signIn());
  const second = open();
  await second.session.loaded;

  const tokens = await Promise.all([first.session.refresh(), second.session.refresh()]);
  await clock.advance(60_000);

  expect(tokens.map(({ accessToken }) => accessToken)).toStrictEqual(["a1", "a1"]);
  expect(shared.log.slice(-4)).toStrictEqual(["saved a1", "lost a2", "load", "loaded a1"]);
  expect(second.events.map(({ type }) => type)).toStrictEqual([
    "loaded",
    "refreshStarted",
    "refreshed",
    "released",
  ]);
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("lets the next one in while the one that holds the section has signed out", async () => {
  const { server, one, two } = await peers();
  server.next("token", { hang: "before" });
  const refreshed = one.refresh().catch(({ code }) => code);
  await server.when((log) => ledger(log).attempts === 1);

  await one.signOut();
  await one.signIn(server.signIn());
  await settled();
  const tokens = await two.refresh();

  expect(await refreshed).toBe("ERR_SIGNED_OUT");
  expect(tokens.accessToken).toBe("2.a1");
});

test("adopts another's tokens while its own back-off sleeps, and asks no more", async () => {
  const { server, shared, two, clock, heard } = await peers();
  server.next("token", { status: 503 });
  const refreshed = two.refresh();
  await server.when((log) => ledger(log).attempts === 1);
  await settled();
  const { family } = shared.held as SessionRecord;

  shared.held = { family, generation: 1, tokens: { accessToken: "a1" } };
  shared.hint();

  expect(await refreshed).toStrictEqual({ accessToken: "a1" });
  await settled();
  expect([two.state, clock.timers.all]).toStrictEqual([
    { status: "signedIn", tokens: { accessToken: "a1" }, refreshing: false },
    0,
  ]);
  expect(heard.map(({ type }) => type)).toStrictEqual(["refreshStarted", "refreshed", "released"]);
  expect(ledger(server.log).attempts).toBe(1);
});

test("ends its cool-down when tokens come from another", async () => {
  const { server, shared, one } = await peers();
  server.next("token", { error: "invalid_scope" });
  await one.refresh().catch(() => {});
  server.expire("a0");
  const api = clientOf(one, server);
  const { status } = await api("/me").catch(({ code }) => ({ status: code }));
  const { family } = shared.held as SessionRecord;

  shared.held = { family, generation: 1, tokens: { accessToken: "unknown", refreshToken: "r0" } };
  shared.hint();
  await settled();

  expect(status).toBe("ERR_REFRESH_FAILED");
  expect((await api("/me")).status).toBe(200);
});

test("gives the section to the next once an attempt has run out of time", async () => {
  const { server, one, two, clock } = await peers({ refreshAttempts: 1 });
  server.next("token", { hang: "before" });
  const first = one.refresh().catch(({ code }) => code);
  await clock.advance(9999);
  const second = two.refresh();

  await clock.advance(1);

  expect([await first, (await second).accessToken]).toStrictEqual(["ERR_REFRESH_FAILED", "a1"]);
});

test("waits with its first look for nobody's section", async () => {
  const { server, shared } = await peers();
  const gate = createGate();
  shared.next("exclusive", late(gate));

  const third = sessionOn(server, { clock: createClock(), store: shared.peer(), refresh: refreshAt(server) });
  await third.session.loaded;

  expect(third.session.state.status).toBe("signedIn");
});

test("does not sleep between attempts once another's tokens were adopted", async () => {
  const { server, shared, two, clock, heard } = await peers();
  const gate = server.gate("token", "answer");
  server.next("token", { status: 503, retryAfter: 5 });
  const refreshed = two.refresh();
  await gate.reached(1);
  const { family } = shared.held as SessionRecord;
  const tokens = { accessToken: "a1" };
  shared.held = { family, generation: 1, tokens };
  shared.hint();
  await settled();

  gate.open();
  await settled();

  expect(await refreshed).toStrictEqual(tokens);
  expect(two.state).toStrictEqual({ status: "signedIn", tokens, refreshing: false });
  expect([heard.map(({ type }) => type), clock.timers.all]).toStrictEqual([
    ["refreshStarted", "refreshed", "released"],
    0,
  ]);
});

test("takes a write of its own for its own when it is heard back before the section is left", async () => {
  const { shared, two, heard } = await peers();
  const gate = createGate();
  shared.next("save", (perform) => {
    const saved = perform();
    shared.hint();
    return saved;
  });
  shared.next("exclusive", async (perform) => {
    await perform();
    await gate.pass();
  });

  const refreshed = two.refresh();
  await gate.reached(1);
  await settled();
  gate.open();

  expect((await refreshed).accessToken).toBe("a1");
  await settled();
  expect(heard).toStrictEqual([
    { type: "refreshStarted", reason: "requested", attempt: 1 },
    { type: "refreshed", by: "us" },
  ]);
});

test("is not signed in as before by a look that began before its sign-in was stored", async () => {
  const { shared, two, heard } = await peers();
  const [saving, reading] = [createGate(), createGate()];
  shared.next("save", late(saving));
  const signedIn = two.signIn({ accessToken: "2.a0" });
  await saving.reached(1);
  shared.next("load", (perform) => {
    const held = perform();
    return reading.pass().then(() => held);
  });
  shared.hint();
  await reading.reached(1);

  saving.open();
  await signedIn;
  reading.open();
  await settled();

  expect(two.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "2.a0" } });
  expect(heard).toStrictEqual([{ type: "signedIn", by: "us" }]);
});

test("leaves the record of another family alone when a session that could not be stored is rejected", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.next("save", rejects);
  await session.signIn(server.signIn());
  const theirs: SessionRecord = { family: "two", generation: 3, tokens: { accessToken: "2.a3" } };
  shared.held = theirs;
  server.withdraw();

  const code = await session.refresh().catch((error) => error.code);
  await clock.advance(60_000);

  expect([code, shared.held]).toStrictEqual(["ERR_REFRESH_REJECTED", theirs]);
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("empties the store later when it cannot at once after a rejection", async () => {
  const { server, shared, one, clock } = await peers({}, 1);
  server.next("token", () => {
    shared.next("save", rejects);
    return { error: "invalid_grant" };
  });

  const code = await one.refresh().catch((error) => error.code);
  const before = shared.held?.tokens.accessToken;
  await clock.advance(300);

  expect([code, before, shared.held]).toStrictEqual(["ERR_REFRESH_REJECTED", "a0", null]);
});

test("refresh() starts the next round when the one in flight renews older tokens", async () => {
  const { server, shared, one } = await peers();
  const gate = server.gate("token", "answer");
  const first = one.refresh();
  await gate.reached(1);
  const { family } = shared.held as SessionRecord;
  const { refresh_token: refreshToken } = server.signIn();
  shared.held = { family, generation: 2, tokens: { accessToken: "2.a0", refreshToken } };
  shared.hint();

  const adopted = await first;
  const next = one.refresh();
  await settled();
  const before = ledger(server.log).attempts;
  gate.open();

  expect([adopted.accessToken, (await next).accessToken]).toStrictEqual(["2.a0", "2.a1"]);
  expect([before, ledger(server.log).attempts]).toStrictEqual([1, 2]);
});

test("tells of every change of its state, also where a refresh ends that another's tokens have outrun", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  const states: unknown[] = [];
  session.subscribe(() => states.push(session.state));
  const gate = server.gate("token", "answer");
  const refreshed = session.refresh();
  await gate.reached(1);
  const tokens = { accessToken: "a1", refreshToken: "r1" };
  shared.held = { family: shared.held?.family ?? "", generation: 1, tokens };
  shared.hint();
  await refreshed;

  gate.open();
  await settled();

  expect(session.state).toStrictEqual({ status: "signedIn", tokens, refreshing: false });
  expect(states.at(-1)).toBe(session.state);
});

test("listens to a store that calls back while it is subscribed to", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const store = shared.peer();
  const eager = {
    ...store,
    subscribe: (changed: () => void) => {
      changed();
      return () => {};
    },
  };
  const { session, events } = sessionOn(server, { clock: createClock(), store: eager });

  await session.loaded;
  await settled();

  expect([session.state, events]).toStrictEqual([{ status: "signedOut" }, [{ type: "loaded" }]]);
});

test("says storeFailed of a store that cannot be subscribed to, and goes on", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const subscribe = () => {
    throw new Error("no hints");
  };
  const { session, events } = sessionOn(server, {
    clock: createClock(),
    store: { ...shared.peer(), subscribe },
  });

  await session.signIn(server.signIn());
  await session.close();

  expect(events.map(({ type }) => type)).toStrictEqual(["storeFailed", "signedIn"]);
  expect(shared.held?.tokens.accessToken).toBe("a0");
});

test("follows what another had stored when a session that could not be stored is rejected", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.loaded;
  shared.next("save", rejects);
  await session.signIn(server.signIn());
  shared.held = { family: "two", generation: 3, tokens: { accessToken: "2.a3" } };
  server.withdraw();
  await session.refresh().catch(() => {});

  shared.hint();
  await settled();

  expect(session.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "2.a3" } });
});

test("does not remove what was signed in while a rejection was made sure of", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  const [reading, saving] = [createGate(), createGate()];
  server.next("token", () => {
    shared.next("load", late(reading));
    return { error: "invalid_grant" };
  });
  const refreshed = session.refresh().catch((error) => error.code);
  await reading.reached(1);
  shared.next("save", late(saving));
  const signedIn = session.signIn({ accessToken: "2.a0" });
  await saving.reached(1);

  reading.open();
  await settled();
  saving.open();
  await Promise.all([refreshed, signedIn]);
  await settled();

  expect(shared.held?.tokens.accessToken).toBe("2.a0");
});

test("stays signed out while the store still holds what was rejected", async () => {
  const { server, shared, one } = await peers({}, 1);
  server.next("token", () => {
    shared.next("save", rejects);
    return { error: "invalid_grant" };
  });
  await one.refresh().catch(() => {});

  shared.hint();
  await settled();

  expect(shared.held?.tokens.accessToken).toBe("a0");
  expect(one.state).toMatchObject({ status: "signedOut" });
});

test("tells a rejection as one where a hint comes while the store is emptied", async () => {
  const [server, clock, shared, answering] = [
    createServer(),
    createClock(),
    createSharedStore(),
    createGate(),
  ];
  const { session, events } = sessionOn(server, { store: shared.peer(), clock });
  await session.signIn(server.signIn());
  server.next("token", { status: 400, json: { error: "invalid_grant" } });
  shared.next("save", async (perform) => {
    const stored = perform();
    await answering.pass();
    return stored;
  });
  const refreshed = session.refresh().catch(({ code }) => code);
  await answering.reached(1);
  shared.hint();
  await settled();

  answering.open();

  expect(await refreshed).toBe("ERR_REFRESH_REJECTED");
  expect(events.at(-1)).toMatchObject({ type: "signedOut", by: "us" });
});
