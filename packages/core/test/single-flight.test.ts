import {
  memoryStore,
  RefreshFailedError,
  RefreshRejectedError,
  type SessionOptions,
  type SessionStore,
  SignedOutError,
} from "@freshtoken/core";
import { createGate, createServer, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

async function begin(options: Partial<SessionOptions> = {}, expiresIn?: number) {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const { session, events } = sessionOn(server, { clock, ...options });
  await session.signIn(server.signIn(expiresIn === undefined ? {} : { expiresIn }));
  return { clock, server, session, events, request: clientOf(session, server) };
}

const one = { signIns: 1, attempts: 1, refreshes: 1, reuses: 0, revocations: 0, unanswered: 0 };

function statuses(answers: readonly Promise<Response>[]): Promise<number[]> {
  return Promise.all(answers.map(async (answer) => (await answer).status));
}

test("refreshes once for requests refused together", async () => {
  const { server, request } = await begin();
  server.expire();

  const answers = Array.from({ length: 100 }, () => request("/me"));

  expect(new Set(await statuses(answers))).toStrictEqual(new Set([200]));
  expect(ledger(server.log)).toStrictEqual({ ...one, requests: 200, refusals: 100, answers: 100 });
});

test("refreshes once for requests refused one by one while the refresh runs", async () => {
  const { server, request } = await begin();
  const slow = server.gate("resource", "answer");
  const refreshing = server.gate("token");
  server.expire();

  const answers = Array.from({ length: 5 }, () => request("/me"));
  for (const _ of answers) {
    slow.step();
    await settled();
  }
  refreshing.open();
  slow.open();

  expect(await statuses(answers)).toStrictEqual([200, 200, 200, 200, 200]);
  expect(ledger(server.log)).toStrictEqual({ ...one, requests: 10, refusals: 5, answers: 5 });
});

test("refreshes once for requests that find the token stale together", async () => {
  const { clock, server, request } = await begin({}, 3600);
  clock.jump(3_600_000);

  const answers = Array.from({ length: 100 }, () => request("/me"));

  expect(new Set(await statuses(answers))).toStrictEqual(new Set([200]));
  expect(ledger(server.log)).toStrictEqual({ ...one, requests: 100, refusals: 0, answers: 100 });
});

test("refreshes once for several clients of one session", async () => {
  const { server, session, request } = await begin();
  server.expire();

  const answers = [request("/one"), clientOf(session, server)("/two"), clientOf(session, server)("/three")];

  expect(await statuses(answers)).toStrictEqual([200, 200, 200]);
  expect(ledger(server.log)).toStrictEqual({ ...one, requests: 6, refusals: 3, answers: 3 });
});

test("refreshes once for a request, refresh() and tokens() together", async () => {
  const { clock, server, session, request } = await begin({}, 3600);
  clock.jump(3_600_000);

  const tokens = await Promise.all([session.tokens(), session.refresh(), session.refresh()]);
  const answer = await request("/me");

  expect(new Set(tokens.map(({ accessToken }) => accessToken))).toStrictEqual(new Set(["a1"]));
  expect(answer.status).toBe(200);
  expect(ledger(server.log)).toStrictEqual({ ...one, requests: 1, refusals: 0, answers: 1 });
});

test("refreshes once for two sessions that take turns at one store", async () => {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const store = sharedStore();
  const { session } = sessionOn(server, { clock, store });
  await session.signIn(server.signIn());
  const other = sessionOn(server, { clock, store }).session;
  server.expire();

  const answers = [session, other].map((one) => clientOf(one, server)("/me"));

  expect(await statuses(answers)).toStrictEqual([200, 200]);
  expect(ledger(server.log)).toStrictEqual({ ...one, requests: 4, refusals: 2, answers: 2 });
});

test("refreshes again when a newer token is refused", async () => {
  const { server, request } = await begin();

  for (const _ of [1, 2, 3]) {
    server.expire();
    await request("/me");
  }

  expect(ledger(server.log)).toMatchObject({ attempts: 3, refreshes: 3, reuses: 0, requests: 6 });
});

test("starts the next round, for adopted tokens that are refused, only when the first has ended", async () => {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const store = hintedStore();
  const { session } = sessionOn(server, { clock, store });
  await session.signIn(server.signIn());
  const first = server.gate("token", "answer");
  const refreshing = session.refresh();
  await first.reached(1);

  store.adopt({ accessToken: "b1", refreshToken: "s1" }, 1);
  await refreshing;
  const answer = clientOf(session, server)("/me");
  await settled();

  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1, refusals: 1 });
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: true });
  first.open();
  await answer;
  expect(story(server.log).filter((line) => line.startsWith("→ token"))).toStrictEqual([
    "→ token r0",
    "→ token s1",
  ]);
});

test("takes no account of a refresh that fails after newer tokens were adopted", async () => {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const store = hintedStore();
  const { session, events } = sessionOn(server, { clock, store, refreshAttempts: 1 });
  await session.signIn(server.signIn());
  const failing = server.gate("token");
  server.next("token", { status: 503 });
  const refreshing = session.refresh();
  await failing.reached(1);

  store.adopt({ accessToken: "b1", refreshToken: "s1" }, 1);
  expect((await refreshing).accessToken).toBe("b1");
  failing.open();
  await settled();

  expect(events.map(({ type }) => type)).not.toContain("refreshFailed");
  expect(session.state).toMatchObject({ refreshing: false, tokens: { accessToken: "b1" } });
});

test("tokens() returns fresh tokens as they are", async () => {
  const { server, session } = await begin();

  expect(await session.tokens()).toStrictEqual({
    accessToken: "a0",
    refreshToken: "r0",
    tokenType: "Bearer",
  });
  expect(ledger(server.log)).toMatchObject({ attempts: 0 });
});

test("tokens() refreshes stale tokens", async () => {
  const { clock, server, session } = await begin({}, 3600);
  clock.jump(3_600_000);

  expect((await session.tokens()).accessToken).toBe("a1");
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1 });
});

test("tokens() returns ageing tokens at once, and refreshes in the background", async () => {
  const { clock, server, session } = await begin({}, 3600);
  clock.jump(3_600_000 - 30_000);

  expect((await session.tokens()).accessToken).toBe("a0");
  await settled();
  expect((await session.tokens()).accessToken).toBe("a1");
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1 });
});

test("refresh() refreshes whatever the expiry says", async () => {
  const { server, session } = await begin({}, 3600);

  const tokens = [(await session.refresh()).accessToken, (await session.refresh()).accessToken];

  expect(tokens).toStrictEqual(["a1", "a2"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 2, reuses: 0 });
});

test.each(["tokens", "refresh"] as const)("%s() waits until the store was read", async (name) => {
  const reading = createGate();
  const stored = { family: "one", generation: 3, tokens: { accessToken: "a0", refreshToken: "r0" } };
  const inner = memoryStore();
  await inner.save(stored);
  const store: SessionStore = { ...inner, load: () => reading.pass().then(() => inner.load()) };
  const server = createServer();
  server.signIn();
  const { session } = sessionOn(server, { store, clock: createClock() });

  const asked = session[name]();
  await settled();
  expect(ledger(server.log)).toMatchObject({ attempts: 0 });
  reading.open();

  expect((await asked).accessToken).toBe(name === "tokens" ? "a0" : "a1");
});

test.each(["tokens", "refresh"] as const)("%s() waits until a sign-in is stored", async (name) => {
  const saving = createGate();
  const inner = memoryStore();
  const save: SessionStore["save"] = async (...args) => {
    await saving.pass();
    return inner.save(...args);
  };
  const server = createServer();
  const { session } = sessionOn(server, { store: { ...inner, save }, clock: createClock() });
  const signingIn = session.signIn(server.signIn());
  let settledFirst = "signIn";
  const asked = session[name]().then(() => (settledFirst = name));
  await settled();

  expect([settledFirst, ledger(server.log).attempts]).toStrictEqual(["signIn", 0]);
  saving.open();
  await Promise.all([signingIn, asked]);
});

test.each(["tokens", "refresh"] as const)("%s() rejects when nobody is signed in", async (name) => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });

  const asked = session[name]();

  await expect(asked).rejects.toThrow(SignedOutError);
  await expect(asked).rejects.toThrow("Nobody is signed in. Call session.signIn() first");
});

test.each(["tokens", "refresh"] as const)(
  "%s() rejects when the refresh token is rejected, then and after",
  async (name) => {
    const { clock, server, session } = await begin({}, 3600);
    clock.jump(3_600_000);
    server.withdraw();

    await expect(session[name]()).rejects.toThrow(RefreshRejectedError);
    await expect(session[name]()).rejects.toThrow(RefreshRejectedError);
    expect(ledger(server.log)).toMatchObject({ attempts: 1 });
  },
);

test.each(["tokens", "refresh"] as const)("%s() rejects when the refresh fails", async (name) => {
  const { clock, server, session } = await begin({ refreshAttempts: 1 }, 3600);
  clock.jump(3_600_000);
  server.next("token", { status: 503 });

  await expect(session[name]()).rejects.toThrow(RefreshFailedError);
});

test.each(["tokens", "refresh"] as const)(
  "%s() rejects when the session is signed out meanwhile",
  async (name) => {
    const { clock, server, session } = await begin({}, 3600);
    clock.jump(3_600_000);
    const refreshing = server.gate("token");

    const asked = session[name]();
    await refreshing.reached(1);
    await Promise.all([expect(asked).rejects.toThrow(SignedOutError), session.signOut()]);
  },
);

test.each(["tokens", "refresh"] as const)(
  "%s() rejects with the reason of its signal, and the refresh goes on",
  async (name) => {
    const { clock, server, session } = await begin({}, 3600);
    clock.jump(3_600_000);
    const refreshing = server.gate("token");
    const caller = new AbortController();

    const asked = session[name]({ signal: caller.signal });
    await refreshing.reached(1);
    caller.abort("enough");

    await expect(asked).rejects.toBe("enough");
    refreshing.open();
    expect((await session.tokens()).accessToken).toBe("a1");
    expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1 });
  },
);

test("tells 10,000 held requests one refresh, in order, and keeps nothing of them", async () => {
  const { clock, server, session, events, request } = await begin({}, 3600);
  const signal = countedSignal();
  clock.jump(3_600_000);
  const refreshing = server.gate("token");

  const paths = Array.from({ length: 10_000 }, (_, place) => `/${place}`);
  const answers = paths.map((path) => request(path, { signal }));
  await refreshing.reached(1);
  const waiting = { listeners: signal.listeners, keepAlive: clock.timers.keepAlive };
  refreshing.open();
  await Promise.all(answers);

  expect(waiting).toStrictEqual({ listeners: 1, keepAlive: 1 });
  expect({ listeners: signal.listeners, timers: clock.timers.all }).toStrictEqual({
    listeners: 0,
    timers: 0,
  });
  expect(events).toContainEqual({ type: "released", count: 10_000 });
  expect(session.state).toMatchObject({ refreshing: false });
  const sent = story(server.log).filter((line) => line.startsWith("→ GET"));
  expect(sent).toStrictEqual(paths.map((path) => `→ GET ${path} a1`));
  expect(ledger(server.log)).toStrictEqual({ ...one, requests: 10_000, refusals: 0, answers: 10_000 });
});

test("is at rest without a timer", async () => {
  const { clock, server, request } = await begin();
  server.expire();

  await request("/me");

  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

/** A store whose exclusive sections run one at a time. */
function sharedStore(): SessionStore {
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...memoryStore(),
    exclusive(task) {
      const turn = last.then(task);
      last = turn.catch(() => {});
      return turn;
    },
  };
}

/** A store into which another tab can write. */
function hintedStore() {
  const inner = memoryStore();
  let changed = () => {};
  return {
    ...inner,
    subscribe(listener: () => void) {
      changed = listener;
      return () => {};
    },
    async adopt(tokens: { accessToken: string; refreshToken: string }, generation: number) {
      const stored = await inner.load();
      await inner.save({ family: stored?.family ?? "", generation, tokens });
      changed();
    },
  };
}

/** A signal that counts those who listen to its abort, apart from fetch. */
function countedSignal(): AbortSignal & { readonly listeners: number } {
  const { signal } = new AbortController();
  const listening = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  return Object.defineProperty(
    Object.assign(signal, {
      addEventListener(type: "abort", listener: () => void, options?: AddEventListenerOptions) {
        listening.add(listener);
        addEventListener.call(signal, type, listener, options);
      },
      removeEventListener(type: "abort", listener: () => void) {
        listening.delete(listener);
        removeEventListener.call(signal, type, listener);
      },
    }),
    "listeners",
    { get: () => listening.size },
  ) as AbortSignal & { readonly listeners: number };
}
