import {
  memoryStore,
  type RefreshContext,
  RefreshFailedError,
  type SessionOptions,
  type SessionStore,
} from "@freshtoken/core";
import { createServer, type Fault, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, refreshAt, sessionOn, settled } from "./support.ts";

interface Chance {
  readonly random?: number;
}

/** A session with a stale token, and when its attempts were made, in ms from the first request on. */
async function begin({ random = 0, ...options }: Partial<SessionOptions> & Chance = {}) {
  const clock = Object.assign(createClock(), { random: () => random });
  const server = createServer({ now: clock.now, grace: { uses: 1 } });
  const attempts: number[] = [];
  const refresh = (context: RefreshContext) => {
    attempts.push(clock.now() - start);
    return refreshAt(server)(context);
  };
  const { session, events } = sessionOn(server, { clock, refresh, ...options });
  await session.signIn(server.signIn({ expiresIn: 3600 }));
  clock.jump(LIFETIME);
  const start = clock.now();
  return { clock, server, session, events, attempts, start, request: clientOf(session, server) };
}

const LIFETIME = 3_600_000;
const ALMOST_ONE = 1 - 2 ** -53;
const LONG = 3_600_000;
const REFUSED = Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } });

/** What a promise comes to: a status or an error. */
async function outcomeOf(answer: Promise<Response>): Promise<unknown> {
  return answer.then(
    ({ status }) => status,
    (error) => error,
  );
}

test.each([
  { random: 0, delay: 150 },
  { random: ALMOST_ONE, delay: 300 },
])("repeats a failed attempt after half to the whole of 300 ms: $delay", async ({ random, delay }) => {
  const { clock, server, attempts, request } = await begin({ random });
  server.next("token", { status: 503 });

  const answer = request("/me");
  await clock.advance(delay - 1);
  expect(attempts).toStrictEqual([0]);
  await clock.advance(1);

  expect(attempts).toStrictEqual([0, delay]);
  expect((await answer).status).toBe(200);
});

test.each([
  { random: 0, times: [0, 150, 450] },
  { random: ALMOST_ONE, times: [0, 300, 900] },
])("makes three attempts in all: $times", async ({ random, times }) => {
  const { clock, server, attempts, request } = await begin({ random });
  server.always("token", { status: 503 });

  const answer = outcomeOf(request("/me"));
  await clock.advance(LONG);

  expect(attempts).toStrictEqual(times);
  expect(await answer).toBeInstanceOf(RefreshFailedError);
  expect(ledger(server.log)).toMatchObject({ attempts: 3, refreshes: 0, requests: 0 });
});

test("doubles the delay between attempts up to 10 s", async () => {
  const { clock, server, attempts, request } = await begin({ random: ALMOST_ONE, refreshAttempts: 9 });
  server.always("token", { status: 503 });

  const answer = outcomeOf(request("/me"));
  await clock.advance(LONG);
  await answer;

  const delays = attempts.map((at, place) => at - (attempts[place - 1] ?? 0));
  expect(delays).toStrictEqual([0, 300, 600, 1200, 2400, 4800, 9600, 10_000, 10_000]);
});

test("makes one attempt where refreshAttempts is 1, also after a lost answer", async () => {
  const { clock, server, attempts, request } = await begin({ refreshAttempts: 1 });
  server.always("token", { status: 502 });

  expect(await outcomeOf(request("/me"))).toBeInstanceOf(RefreshFailedError);
  await clock.advance(LONG);
  expect(attempts).toStrictEqual([0]);
});

test("numbers the attempts of each round from 1", async () => {
  const numbers: number[] = [];
  const refresh = async ({ attempt }: RefreshContext) => {
    numbers.push(attempt);
    return new Response(null, { status: 503 });
  };
  const { clock, request } = await begin({ refresh });

  for (const _ of [1, 2]) {
    const answer = outcomeOf(request("/me"));
    await clock.advance(LONG);
    await answer;
  }

  expect(numbers).toStrictEqual([1, 2, 3, 1, 2, 3]);
});

test.each([
  { status: 429, retryAfter: 5, delay: 5_000 },
  { status: 503, retryAfter: 5, delay: 5_000 },
  { status: 503, retryAfter: 1, delay: 1_000 },
  { status: 503, retryAfter: 0, delay: 150 },
  { status: 503, retryAfter: "soon", delay: 150 },
  { status: 503, retryAfter: "Wed, 15 Nov 2023 10:13:23 GMT", delay: 3_000 },
])("waits $delay ms for a Retry-After of $retryAfter", async ({ delay, ...fault }) => {
  const { clock, server, attempts, request } = await begin();
  clock.jump(Date.parse("Wed, 15 Nov 2023 10:13:20 GMT") - clock.now());
  server.next("token", fault);

  const answer = request("/me");
  await clock.advance(delay - 1);
  expect(attempts).toHaveLength(1);
  await clock.advance(1);

  expect(attempts).toHaveLength(2);
  expect((await answer).status).toBe(200);
});

test.each([
  { retryAfter: 6, coolDown: 6_000 },
  { retryAfter: 3_600, coolDown: 3_600_000 },
  { retryAfter: 86_400, coolDown: 3_600_000 },
])(
  "ends the round with a Retry-After of $retryAfter s, and cools down for $coolDown ms",
  async ({ retryAfter, coolDown }) => {
    const { clock, server, attempts, start, request } = await begin();
    server.next("token", { status: 429, retryAfter });

    const failed = await outcomeOf(request("/1"));
    clock.jump(coolDown - 1);
    const suppressed = await outcomeOf(request("/2"));
    clock.jump(1);
    const answered = await outcomeOf(request("/3"));

    expect(failed).toMatchObject({ retryAt: start + coolDown });
    expect(suppressed).toMatchObject({ retryAt: start + coolDown });
    expect(answered).toBe(200);
    expect(attempts).toStrictEqual([0, coolDown]);
  },
);

const lost: [string, Fault][] = [
  ["a reset after sending", { reset: "after" }],
  ["a 502", { status: 502 }],
  ["a 504", { status: 504 }],
  ["a 502 with a page of HTML", { status: 502, html: true }],
];

test.each(lost)("repeats an attempt once, at once, after %s", async (_, fault) => {
  const { server, attempts, request } = await begin();
  server.next("token", fault);

  expect((await request("/me")).status).toBe(200);
  expect(attempts).toStrictEqual([0, 0]);
});

test("repeats an attempt once, at once, after a time-out", async () => {
  const { clock, server, attempts, request } = await begin();
  server.next("token", { hang: "after" });

  const answer = request("/me");
  await clock.advance(9_999);
  expect(attempts).toStrictEqual([0]);
  await clock.advance(1);

  expect((await answer).status).toBe(200);
  expect(attempts).toStrictEqual([0, 10_000]);
});

test("repeats at once only once a round, and counts it as an attempt", async () => {
  const { clock, server, attempts, request } = await begin({ refreshAttempts: 5 });
  server.always("token", { status: 502 });

  const answer = outcomeOf(request("/me"));
  await clock.advance(LONG);

  expect(await answer).toBeInstanceOf(RefreshFailedError);
  expect(attempts).toStrictEqual([0, 0, 150, 450, 1050]);
});

test("does not repeat a lost answer for a session that was signed out meanwhile", async () => {
  const { clock, server, session, attempts, request } = await begin();
  server.next("token", { hang: "after" });

  const answer = outcomeOf(request("/me"));
  await settled();
  await session.signOut();
  await clock.advance(LONG);

  expect(await answer).toMatchObject({ code: "ERR_SIGNED_OUT" });
  expect(attempts).toStrictEqual([0]);
});

test("repeats at once later in a round too, when the first lost answer comes late", async () => {
  const { clock, server, attempts, request } = await begin();
  server.next("token", { status: 503 }, { status: 504 });

  const answer = outcomeOf(request("/me"));
  await clock.advance(150);

  expect(await answer).toBe(200);
  expect(attempts).toStrictEqual([0, 150, 150]);
});

test.each([
  ["a 500", async () => new Response(null, { status: 500 })],
  ["a 503", async () => new Response(null, { status: 503 })],
  ["a 429", async () => new Response(null, { status: 429 })],
  ["a 408", async () => new Response(null, { status: 408 })],
  ["a page of HTML", async () => new Response("<!doctype html>", { status: 200 })],
  ["a connection that was refused", () => Promise.reject(REFUSED)],
])("waits for the back-off after %s, since no answer was lost", async (_, answer) => {
  const attempts: number[] = [];
  const refresh = () => {
    attempts.push(clock.now() - start);
    return answer();
  };
  const { clock, start, request } = await begin({ refresh, refreshAttempts: 2 });

  const failed = outcomeOf(request("/me"));
  await clock.advance(LONG);

  expect(await failed).toBeInstanceOf(RefreshFailedError);
  expect(attempts).toStrictEqual([0, 150]);
});

test.each(["invalid_client", "unauthorized_client", "invalid_scope"])(
  "does not repeat an attempt that failed with %s",
  async (error) => {
    const { clock, server, session, attempts, request } = await begin();
    server.always("token", { error });

    expect(await outcomeOf(request("/me"))).toBeInstanceOf(RefreshFailedError);
    await clock.advance(LONG);
    expect(attempts).toStrictEqual([0]);
    expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  },
);

test("gives each attempt a signal of its own, which aborts at its deadline", async () => {
  const signals: AbortSignal[] = [];
  const refresh = ({ signal }: RefreshContext) => {
    signals.push(signal);
    return new Promise<never>(() => {});
  };
  const { clock, request } = await begin({ refresh, refreshTimeout: 100, refreshAttempts: 2 });

  const answer = outcomeOf(request("/me"));
  await clock.advance(100);
  expect(signals.map(({ aborted }) => aborted)).toStrictEqual([true, false]);
  await clock.advance(100);

  expect(await answer).toMatchObject({ message: expect.stringContaining("did not answer within 100 ms") });
  expect(signals.map(({ reason }) => reason.name)).toStrictEqual(["DeadlineError", "DeadlineError"]);
  expect(clock.timers.all).toBe(0);
});

test("cools down for 1 s after a failed round, in which stale requests fail at once with the same error", async () => {
  const { clock, server, attempts, start, request } = await begin({ refreshAttempts: 1 });
  server.next("token", { status: 503 });

  const first = await outcomeOf(request("/1"));
  clock.jump(999);
  const second = await outcomeOf(request("/2"));
  clock.jump(1);
  const third = await outcomeOf(request("/3"));

  const { cause } = first as RefreshFailedError;
  expect(first).toMatchObject({ retryAt: start + 1_000, cause: { status: 503 } });
  expect(second).toMatchObject({ retryAt: start + 1_000, code: "ERR_REFRESH_FAILED" });
  expect((second as RefreshFailedError).cause).toBe(cause);
  expect([third, attempts]).toStrictEqual([200, [0, 1_000]]);
});

test("doubles the cool-down to 30 s with each failed round", async () => {
  const { clock, server, request } = await begin({ refreshAttempts: 1 });
  server.always("token", { status: 503 });
  const coolDowns: number[] = [];

  for (let round = 0; round < 7; round++) {
    const { retryAt } = (await outcomeOf(request("/me"))) as RefreshFailedError;
    coolDowns.push(retryAt - clock.now());
    clock.jump(retryAt - clock.now());
  }

  expect(coolDowns).toStrictEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("starts the cool-down anew after a refresh that succeeded", async () => {
  const { clock, server, session, request } = await begin({ refreshAttempts: 1 });
  server.next("token", { status: 503, times: 2 });
  for (const ms of [1_000, 2_000]) {
    await outcomeOf(request("/me"));
    clock.jump(ms);
  }
  await session.refresh();
  server.next("token", { status: 503 });

  const failed = session.refresh();

  await expect(failed).rejects.toMatchObject({ retryAt: clock.now() + 1_000 });
});

test("tokens() fails at once in a cool-down", async () => {
  const { server, session, request, attempts } = await begin({ refreshAttempts: 1 });
  server.next("token", { status: 503 });
  await outcomeOf(request("/me"));

  await expect(session.tokens()).rejects.toThrow(RefreshFailedError);
  expect(attempts).toStrictEqual([0]);
});

test("uses a token that was refused, but is not stale, in a cool-down", async () => {
  const { clock, server, attempts, start, request } = await begin({ refreshAttempts: 1 });
  clock.jump(-LIFETIME);
  server.next("/me", { refuse: true });
  server.next("token", { status: 503 });

  const first = await outcomeOf(request("/me"));
  const second = await outcomeOf(request("/me"));
  server.next("/me", { refuse: true });
  const third = await outcomeOf(request("/me"));

  const error = { code: "ERR_REFRESH_FAILED", retryAt: start - LIFETIME + 1_000 };
  expect([first, second, third]).toMatchObject([error, 200, error]);
  expect(attempts).toHaveLength(1);
});

test("does not refresh an ageing token in a cool-down, and sends it", async () => {
  const { clock, server, attempts, request } = await begin({ refreshAttempts: 1 });
  clock.jump(-30_000);
  server.next("token", { status: 503 });
  const sent = [await outcomeOf(request("/1"))];
  await settled();

  clock.jump(999);
  sent.push(await outcomeOf(request("/2")));
  clock.jump(1);
  sent.push(await outcomeOf(request("/3")));

  expect(sent).toStrictEqual([200, 200, 200]);
  expect(attempts).toStrictEqual([-30_000, -29_000]);
});

test("refresh() ends a cool-down: requests wait for it", async () => {
  const { server, session, attempts, request } = await begin({ refreshAttempts: 1 });
  server.next("token", { status: 503 });
  await outcomeOf(request("/1"));

  const asked = session.refresh();
  const answer = await outcomeOf(request("/2"));
  await asked;

  expect([answer, attempts]).toStrictEqual([200, [0, 0]]);
});

test("refresh() that fails in a cool-down doubles it", async () => {
  const { clock, server, session, request } = await begin({ refreshAttempts: 1 });
  server.always("token", { status: 503 });
  await outcomeOf(request("/1"));

  await expect(session.refresh()).rejects.toMatchObject({ retryAt: clock.now() + 2_000 });
});

test("signIn() ends a cool-down", async () => {
  const { server, session, attempts, request } = await begin({ refreshAttempts: 1 });
  server.next("token", { status: 503 });
  await outcomeOf(request("/1"));

  await session.signIn(server.signIn());

  expect(await outcomeOf(request("/2"))).toBe(200);
  expect(attempts).toStrictEqual([0]);
});

test("tokens from another context end a cool-down", async () => {
  const { store, changed } = sharedStore();
  const { server, session, attempts, request } = await begin({ refreshAttempts: 1, store });
  server.next("token", { status: 503 });
  await outcomeOf(request("/1"));

  const { access_token: accessToken } = server.signIn();
  const stored = await store.load();
  await store.save({ family: stored?.family ?? "", generation: 1, tokens: { accessToken } });
  changed();
  await settled();

  expect(await outcomeOf(request("/2"))).toBe(200);
  expect(attempts).toStrictEqual([0]);
  expect(session.state).toMatchObject({ tokens: { accessToken } });
});

test("does not prolong a cool-down when the clock is set back", async () => {
  const { clock, server, request } = await begin({ refreshAttempts: 1, leeway: 86_400_000 * 2 });
  server.next("token", { status: 503 });
  const failed = await outcomeOf(request("/1"));

  clock.jump(-1);

  expect(failed).toBeInstanceOf(RefreshFailedError);
  expect(await outcomeOf(request("/2"))).toBe(200);
});

test("settles all that waited for a failed round, and only those", async () => {
  const { clock, server, session, request } = await begin({ refreshAttempts: 1 });
  const passing = server.gate("/sent", "answer");
  clock.jump(-LIFETIME);
  const sent = outcomeOf(request("/sent"));
  clock.jump(LIFETIME);
  server.next("token", { status: 503 });

  const waited = [request("/1"), request("/2"), session.tokens(), session.refresh()];
  const settledAs = await Promise.allSettled(waited);
  passing.open();

  expect(settledAs.map(({ status }) => status)).toStrictEqual(Array(4).fill("rejected"));
  expect(await sent).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1 });
});

test("stays alive while somebody waits for a back-off, and for nobody else", async () => {
  const { clock, server, request } = await begin();
  server.next("token", { status: 503 });
  const caller = new AbortController();

  const answer = outcomeOf(request("/me", { signal: caller.signal }));
  await settled();
  expect(clock.timers).toStrictEqual({ all: 2, keepAlive: 1 });
  caller.abort();

  await answer;
  expect(clock.timers).toStrictEqual({ all: 1, keepAlive: 0 });
  await clock.advance(150);
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("gives up its back-off when the session is signed out", async () => {
  const { clock, server, session, attempts, request } = await begin();
  server.always("token", { status: 503 });

  const answer = outcomeOf(request("/me"));
  await settled();
  await session.signOut();
  await answer;

  expect(clock.timers.all).toBe(0);
  await clock.advance(LONG);
  expect(attempts).toStrictEqual([0]);
});

function sharedStore() {
  let changed = () => {};
  const subscribe: SessionStore["subscribe"] = (listener) => {
    changed = listener;
    return () => {};
  };
  return { store: { ...memoryStore(), subscribe }, changed: () => changed() };
}
