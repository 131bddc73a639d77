import { memoryStore, QueueFullError, type Session } from "@freshtoken/core";
import { createGate, createServer, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { begin, clientOf, createClock, sessionOn, settled } from "./support.ts";

const LIFETIME = 3_600_000;

test("holds requests unsent, in order, while a stale token is refreshed", async () => {
  const { clock, server, request } = await begin();
  const refreshing = server.gate("token");
  clock.jump(LIFETIME - 4_999);

  const answers = ["/1", "/2", "/3"].map((path) => request(path));
  await refreshing.reached(1);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 0 });
  refreshing.open();
  await Promise.all(answers);

  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "→ GET /1 a1",
    "→ GET /2 a1",
    "→ GET /3 a1",
    "← 200 GET /1 a1",
    "← 200 GET /2 a1",
    "← 200 GET /3 a1",
  ]);
});

test("holds new requests while a refused token is refreshed", async () => {
  const { server, request } = await begin();
  const refreshing = server.gate("token");
  server.expire();

  const refused = request("/refused");
  await refreshing.reached(1);
  const held = request("/held");
  await settled();
  expect(ledger(server.log)).toMatchObject({ requests: 1, refusals: 1 });
  refreshing.open();

  expect([(await refused).status, (await held).status]).toStrictEqual([200, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 3, refusals: 1, answers: 2 });
});

test("lets held requests go in the order in which they came, those without a known family too", async () => {
  const reading = createGate();
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const { access_token: accessToken, refresh_token: refreshToken = "" } = server.signIn();
  const record = { family: "one", generation: 0, tokens: { accessToken, refreshToken, expiresAt: 1 } };
  const load = () => reading.pass().then(() => record);
  const { session } = sessionOn(server, { clock, store: { load, save: () => {} } });
  const request = clientOf(session, server);

  const answers = [request("/1")];
  await reading.reached(1);
  answers.push(request("/2"));
  reading.open();
  answers.push(request("/3"));
  await settled();
  answers.push(request("/4"));
  await Promise.all(answers);

  const sent = story(server.log).filter((line) => line.startsWith("→ GET"));
  expect(sent).toStrictEqual(["→ GET /1 a1", "→ GET /2 a1", "→ GET /3 a1", "→ GET /4 a1"]);
});

test("sends requests with an ageing token while it is refreshed in the background", async () => {
  const { clock, server, session, request } = await begin();
  const refreshing = server.gate("token");
  clock.jump(LIFETIME - 59_999);

  const answers = await Promise.all([request("/1"), request("/2")]);
  const state = session.state;
  refreshing.open();
  await settled();
  const next = await request("/3");

  expect([...answers, next].map(({ status }) => status)).toStrictEqual([200, 200, 200]);
  expect(state).toMatchObject({ status: "signedIn", refreshing: true, tokens: { accessToken: "a0" } });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 3, refusals: 0 });
  expect(story(server.log)).toContain("→ GET /3 a1");
});

test("sends requests with an ageing token although the one before it was refused", async () => {
  const { clock, server, request } = await begin();
  server.next("/1", { refuse: true });
  await request("/1");
  const refreshing = server.gate("token");
  clock.jump(LIFETIME - 59_999);

  const answers = await Promise.all([request("/2"), request("/3")]);

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1, requests: 4 });
  refreshing.open();
});

test("holds requests when an ageing token, being refreshed, is refused", async () => {
  const { clock, server, request } = await begin();
  const refreshing = server.gate("token");
  clock.jump(LIFETIME - 59_999);
  await request("/1");
  server.expire();

  const refused = request("/2");
  await settled();
  const held = request("/3");
  await settled();
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, refusals: 1 });
  refreshing.open();

  await Promise.all([refused, held]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 4, refusals: 1, answers: 3 });
});

test("holds requests when an ageing token, being refreshed, becomes stale", async () => {
  const { clock, server, request } = await begin();
  const refreshing = server.gate("token");
  clock.jump(LIFETIME - 59_999);
  await request("/1");

  clock.jump(59_999);
  const held = request("/2");
  await settled();
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1 });
  refreshing.open();

  expect((await held).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, refusals: 0 });
});

test("sends requests with a fresh token while refresh() runs", async () => {
  const { server, session, request } = await begin();
  const refreshing = server.gate("token");

  const asked = session.refresh();
  const answer = await request("/me");
  refreshing.open();
  await asked;

  expect(answer.status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1, refusals: 0 });
});

test.each([
  { left: 60_000, sent: 1, attempts: 0 },
  { left: 59_999, sent: 1, attempts: 1 },
  { left: 5_000, sent: 1, attempts: 1 },
  { left: 4_999, sent: 0, attempts: 1 },
  { left: 0, sent: 0, attempts: 1 },
])(
  "with $left ms left of an hour, sends $sent and starts $attempts refreshes",
  async ({ left, sent, attempts }) => {
    const { clock, server, request } = await begin();
    const refreshing = server.gate("token");
    clock.jump(LIFETIME - left);

    const answer = request("/me");
    await settled();

    expect(ledger(server.log)).toMatchObject({ attempts, requests: sent });
    refreshing.open();
    expect((await answer).status).toBe(200);
  },
);

test("sends a request with a fresh token before send() returns", async () => {
  const { server, request } = await begin();

  const answer = request("/me");

  expect(story(server.log)).toContain("→ GET /me a0");
  await answer;
});

test("holds requests until the store was read", async () => {
  const reading = createGate();
  const server = createServer();
  const { access_token: accessToken } = server.signIn();
  const record = { family: "one", generation: 0, tokens: { accessToken } };
  const store = { ...memoryStore(), load: () => reading.pass().then(() => record) };
  const { session } = sessionOn(server, { store, clock: createClock() });

  const answer = clientOf(session, server)("/me");
  await settled();
  expect(ledger(server.log)).toMatchObject({ requests: 0 });
  reading.open();

  expect((await answer).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1, refusals: 0 });
});

test("lets requests go without a token when the store that was read is empty", async () => {
  const reading = createGate();
  const server = createServer();
  const store = { ...memoryStore(), load: () => reading.pass().then(() => null) };
  const { session } = sessionOn(server, { store, clock: createClock() });

  const answer = clientOf(session, server)("/me");
  reading.open();

  expect((await answer).status).toBe(401);
  expect(story(server.log)).toStrictEqual(["→ GET /me", "← 401 GET /me"]);
});

test("holds requests until a sign-in is stored", async () => {
  const saving = createGate();
  const inner = memoryStore();
  const server = createServer();
  const save = () => saving.pass();
  const { session } = sessionOn(server, { store: { ...inner, save }, clock: createClock() });

  const signingIn = session.signIn(server.signIn());
  const answer = clientOf(session, server)("/me");
  await settled();
  expect(ledger(server.log)).toMatchObject({ requests: 0 });
  saving.open();

  expect((await answer).status).toBe(200);
  await signingIn;
});

test("rejects a request beyond maxHeld, and lets those that are held go on", async () => {
  const { clock, server, request } = await begin({ maxHeld: 2 });
  clock.jump(LIFETIME);

  const answers = [request("/1"), request("/2"), request("/3")];

  await expect(answers[2]).rejects.toThrow(QueueFullError);
  expect((await Promise.all(answers.slice(0, 2))).map(({ status }) => status)).toStrictEqual([200, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, answers: 2 });
});

test("takes a place in the queue anew when one who waited has left", async () => {
  const { clock, server, request } = await begin({ maxHeld: 1 });
  const caller = new AbortController();
  clock.jump(LIFETIME);

  const first = request("/1", { signal: caller.signal });
  const second = request("/2");
  caller.abort();
  const third = request("/3");

  await expect(first).rejects.toThrow(caller.signal.reason);
  await expect(second).rejects.toThrow(QueueFullError);
  expect((await third).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1 });
});

test("counts neither refused requests nor tokens() and refresh() against maxHeld", async () => {
  const { server, session, request } = await begin({ maxHeld: 1 });
  server.expire();

  const answers = [request("/1"), request("/2"), request("/3")];
  const tokens = [session.refresh(), session.refresh()];
  await Promise.all(tokens);

  expect((await Promise.all(answers)).map(({ status }) => status)).toStrictEqual([200, 200, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 6, refusals: 3, answers: 3 });
});

test("does not count a late refusal whose replay waits for the next refresh", async () => {
  const { server, session, events, request } = await begin({ maxHeld: 0 });
  const [answer, refreshing] = [createGate(), createGate()];
  server.next("/late", { answerAfter: answer, refuse: true });
  server.next("/refused", { refuse: true });

  const late = request("/late");
  await session.refresh();
  server.next("token", { actAfter: refreshing });
  const refused = request("/refused");
  await refreshing.reached(1);
  answer.open();
  await settled();
  refreshing.open();

  expect([(await late).status, (await refused).status]).toStrictEqual([200, 200]);
  expect(events.map(({ type }) => type)).not.toContain("held");
  expect(ledger(server.log)).toMatchObject({ refreshes: 2, reuses: 0, refusals: 2, answers: 2 });
});

test("tokens() waits whatever maxHeld is, and is not told as held", async () => {
  const { clock, session, events } = await begin({ maxHeld: 0 });
  clock.jump(LIFETIME);

  expect((await session.tokens()).accessToken).toBe("a1");
  expect(events.map(({ type }) => type)).not.toContain("held");
});

test("holds nothing with maxHeld 0, and sends with a fresh token", async () => {
  const { clock, request } = await begin({ maxHeld: 0 });

  expect((await request("/1")).status).toBe(200);
  clock.jump(LIFETIME);
  await expect(request("/2")).rejects.toThrow(QueueFullError);
});

test("hold() is undefined when a request may leave now", async () => {
  const { clock, server, session } = await begin();
  const connection = session.connect({ origins: [server.origin] });
  const holds = [connection.hold()];

  clock.jump(LIFETIME - 30_000);
  holds.push(connection.hold());
  await session.signOut();
  holds.push(connection.hold());

  expect(holds).toStrictEqual([undefined, undefined, undefined]);
});

test("hold() waits for the refresh, and sends nothing", async () => {
  const { clock, server, session } = await begin();
  const connection = session.connect({ origins: [server.origin] });
  clock.jump(LIFETIME);

  await connection.hold();

  expect(session.state).toMatchObject({ refreshing: false, tokens: { accessToken: "a1" } });
  expect(connection.hold()).toBe(undefined);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 0 });
});

test("hold() judges anew when the store was read: it waits on for a refresh of a stale token", async () => {
  const reading = createGate();
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const { access_token: accessToken, refresh_token: refreshToken = "" } = server.signIn();
  const record = { family: "one", generation: 0, tokens: { accessToken, refreshToken, expiresAt: 1 } };
  const store = { load: () => reading.pass().then(() => record), save: () => {} };
  const { session } = sessionOn(server, { clock, store });

  const held = session.connect({ origins: [server.origin] }).hold();
  reading.open();
  await held;

  expect(session.state).toMatchObject({ refreshing: false, tokens: { accessToken: "a1" } });
});

test("tokens() judges anew when the store was read: it waits on for a refresh of a stale token", async () => {
  const [clock, reading] = [createClock(), createGate()];
  const server = createServer({ now: clock.now });
  const { access_token: accessToken, refresh_token: refreshToken = "" } = server.signIn();
  const record = { family: "one", generation: 0, tokens: { accessToken, refreshToken, expiresAt: 1 } };
  const store = { load: () => reading.pass().then(() => record), save: () => {} };
  const { session } = sessionOn(server, { clock, store });

  const tokens = session.tokens();
  reading.open();

  expect((await tokens).accessToken).toBe("a1");
});

test("is not overtaken, a held request, by one that a listener makes", async () => {
  const { clock, server, session, request } = await begin();
  clock.jump(LIFETIME);
  const answers: Promise<Response>[] = [];
  session.subscribe(({ type }) => void (type === "refreshed" && answers.push(request("/listener"))));

  await request("/held");
  await settled();
  await Promise.all(answers);

  expect(story(server.log).filter((line) => line.startsWith("→ GET"))).toStrictEqual([
    "→ GET /held a1",
    "→ GET /listener a1",
  ]);
});

test("is not sent without a token, a held request, by a listener that signs out", async () => {
  const [clock, server, reading] = [createClock(), createServer(), createGate()];
  const { access_token: accessToken } = server.signIn();
  const record = { family: "one", generation: 0, tokens: { accessToken } };
  const store = { load: () => reading.pass().then(() => record), save: () => {} };
  const { session } = sessionOn(server, { clock, store });
  session.subscribe(({ type }) => void (type === "loaded" && session.signOut()));

  const held = clientOf(session, server)("/me");
  reading.open();

  expect((await held).status).toBe(200);
  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect(story(server.log).slice(1)).toStrictEqual(["→ GET /me a0", "← 200 GET /me a0"]);
});

test.each([
  { ended: "signs out", by: (session: Session) => session.signOut() },
  { ended: "signs in", by: (session: Session) => session.signIn({ accessToken: "2.a0" }) },
])("goes under the session it waited for, or not at all, when the one before it $ended", async ({ by }) => {
  const [clock, server, reading] = [createClock(), createServer(), createGate()];
  const { access_token: accessToken } = server.signIn();
  const record = { family: "one", generation: 0, tokens: { accessToken } };
  const store = { load: () => reading.pass().then(() => record), save: () => {} };
  const { session } = sessionOn(server, { clock, store });
  const { hold } = session.connect({ origins: [server.origin] });
  server.next("/1", () => void by(session));

  const request = clientOf(session, server);
  const first = request("/1").then(({ status }) => status);
  const others = [request("/2"), hold(), session.tokens()].map((call) => call?.catch(({ code }) => code));
  reading.open();

  expect(await Promise.all([first, ...others])).toStrictEqual([200, ...Array(3).fill("ERR_SIGNED_OUT")]);
  expect(story(server.log).slice(1)).toStrictEqual(["→ GET /1 a0", "← 200 GET /1 a0"]);
});

test("counts as held, and names, who asks for leave before it sends", async () => {
  const { server, session, clock, events } = await begin({ maxHeld: 1 });
  clock.jump(3_600_000);
  const { hold } = session.connect({ origins: [server.origin] });
  const gate = server.gate("token");
  const request = { method: "GET", url: `${server.origin}/2` };

  const first = hold();
  await gate.reached(1);
  const error = await hold(null, request)?.catch((error) => error);
  gate.open();
  await first;

  expect(error).toMatchObject({ code: "ERR_QUEUE_FULL", request });
  expect(events).toContainEqual({ type: "held", count: 1 });
  expect(events).toContainEqual({ type: "released", count: 1 });
});

test("holds nobody back who is signed out, not even with a signal that has aborted", async () => {
  const { session } = sessionOn(createServer(), { clock: createClock() });
  const { hold } = session.connect({ origins: ["https://server.test"] });

  expect([hold(), hold(AbortSignal.abort())]).toStrictEqual([undefined, undefined]);
});
