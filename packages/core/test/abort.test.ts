import { type Exchange, RefreshFailedError, type SessionOptions } from "@freshtoken/core";
import { createServer, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, refreshAt, sessionOn, settled } from "./support.ts";

async function begin(options: Partial<SessionOptions> = {}) {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const attempts: AbortSignal[] = [];
  const refresh: SessionOptions["refresh"] = (context) => {
    attempts.push(context.signal);
    return refreshAt(server)(context);
  };
  const { session, events } = sessionOn(server, { clock, refresh, ...options });
  await session.signIn(server.signIn({ expiresIn: 3600 }));
  return { clock, server, session, events, attempts, request: clientOf(session, server) };
}

const LIFETIME = 3_600_000;

test("rejects a held request at once with the signal's reason, and never sends it", async () => {
  const { clock, server, request } = await begin();
  const refreshing = server.gate("token");
  const caller = new AbortController();
  clock.jump(LIFETIME);

  const aborted = request("/aborted", { signal: caller.signal });
  const other = request("/other");
  await refreshing.reached(1);
  caller.abort("enough");
  await expect(aborted).rejects.toBe("enough");
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 0, requests: 0 });
  refreshing.open();

  expect((await other).status).toBe(200);
  expect(story(server.log).filter((line) => line.startsWith("→ GET"))).toStrictEqual(["→ GET /other a1"]);
});

test("rejects a refused request at once with the signal's reason, and never replays it", async () => {
  const { server, request } = await begin();
  const refreshing = server.gate("token");
  const caller = new AbortController();
  server.expire();

  const aborted = request("/aborted", { signal: caller.signal });
  const other = request("/other");
  await refreshing.reached(1);
  caller.abort("enough");
  await expect(aborted).rejects.toBe("enough");
  refreshing.open();

  expect((await other).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 3, refusals: 2, answers: 1 });
});

test("rejects with a DOMException where the signal was given no reason", async () => {
  const { clock, request } = await begin();
  const caller = new AbortController();
  clock.jump(LIFETIME);

  const aborted = request("/me", { signal: caller.signal });
  caller.abort();

  await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
  await expect(aborted).rejects.toBe(caller.signal.reason);
});

test.each([
  ["a stale token", LIFETIME],
  ["a fresh token", 0],
])("sends nothing and refreshes nothing for a signal that has aborted already, with %s", async (_, age) => {
  const { clock, server, session, request } = await begin();
  const signal = AbortSignal.abort("enough");
  clock.jump(age);

  await expect(request("/me", { signal })).rejects.toBe("enough");
  await expect(session.tokens({ signal })).rejects.toBe("enough");
  await expect(session.refresh({ signal })).rejects.toBe("enough");
  expect(ledger(server.log)).toMatchObject({ requests: 0 });
});

test("starts no refresh for refresh() with a signal that has aborted already", async () => {
  const { server, session } = await begin();

  await expect(session.refresh({ signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  await settled();

  expect(ledger(server.log)).toMatchObject({ attempts: 0 });
  expect(session.state).toMatchObject({ refreshing: false });
});

test("finishes a refresh whose caller has aborted, also the one that set it off", async () => {
  const { clock, server, session, attempts, request } = await begin();
  const refreshing = server.gate("token");
  const callers = [new AbortController(), new AbortController()];
  clock.jump(LIFETIME);

  const answers = callers.map(({ signal }) => request("/me", { signal }));
  await refreshing.reached(1);
  for (const caller of callers) caller.abort("enough");
  await Promise.allSettled(answers);
  refreshing.open();
  await settled();

  expect(attempts.map(({ aborted }) => aborted)).toStrictEqual([false]);
  expect(session.state).toMatchObject({ refreshing: false, tokens: { accessToken: "a1" } });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, requests: 0 });
});

test("goes on with the attempts of a round whose caller has aborted", async () => {
  const { clock, server, session, attempts, request } = await begin();
  const caller = new AbortController();
  clock.jump(LIFETIME);
  server.next("token", { status: 503 });

  const aborted = request("/me", { signal: caller.signal });
  await settled();
  caller.abort("enough");
  await expect(aborted).rejects.toBe("enough");
  await clock.advance(300);

  expect(attempts).toHaveLength(2);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a1" } });
});

test("ends an attempt at its own deadline, whatever its callers' signals", async () => {
  const { clock, server, attempts, request } = await begin({ refreshAttempts: 1, refreshTimeout: 500 });
  const { signal } = new AbortController();
  clock.jump(LIFETIME);
  server.next("token", { hang: "before" });

  const answer = request("/me", { signal });
  const outcome = expect(answer).rejects.toThrow(RefreshFailedError);
  await clock.advance(499);
  expect(attempts.map(({ aborted }) => aborted)).toStrictEqual([false]);
  await clock.advance(1);

  await outcome;
  expect([attempts[0]?.aborted, signal.aborted]).toStrictEqual([true, false]);
});

test("listens once to a signal that many requests share, until they are settled", async () => {
  const { clock, server, session } = await begin();
  const refreshing = server.gate("token");
  const { signal, listening } = watched();
  clock.jump(LIFETIME);
  const connection = session.connect({ origins: [server.origin] });

  const answers = Array.from({ length: 100 }, () => connection.send(quiet(server.fetch, signal)));
  await refreshing.reached(1);
  expect(listening).toStrictEqual({ now: 1, ever: 1 });
  refreshing.open();
  await Promise.all(answers);

  expect(listening).toStrictEqual({ now: 0, ever: 1 });
});

test("listens to a signal only while its request waits", async () => {
  const { server, session } = await begin();
  const refreshing = server.gate("token");
  const { signal, listening } = watched();
  const connection = session.connect({ origins: [server.origin] });

  await connection.send(quiet(server.fetch, signal));
  expect(listening).toStrictEqual({ now: 0, ever: 0 });
  server.expire();
  const refused = connection.send(quiet(server.fetch, signal));
  await refreshing.reached(1);
  expect(listening).toStrictEqual({ now: 1, ever: 1 });
  refreshing.open();
  await refused;

  expect(listening).toStrictEqual({ now: 0, ever: 1 });
});

test.each(["abort", "signOut", "fail"] as const)(
  "stops listening to the signals of those that %s settles",
  async (how) => {
    const { clock, server, session } = await begin({ refreshAttempts: 1 });
    const refreshing = server.gate("token");
    const { signal, listening, abort } = watched();
    clock.jump(LIFETIME);
    server.next("token", { status: 503 });

    const connection = session.connect({ origins: [server.origin] });
    const answers = [1, 2].map(() => connection.send(quiet(server.fetch, signal)));
    await refreshing.reached(1);
    if (how === "abort") abort();
    if (how === "signOut") await session.signOut();
    if (how === "fail") refreshing.open();

    expect((await Promise.allSettled(answers)).map(({ status }) => status)).toStrictEqual([
      "rejected",
      "rejected",
    ]);
    expect(listening).toStrictEqual({ now: 0, ever: 1 });
  },
);

test("never replays a request whose signal aborted before its refusal came", async () => {
  const { server, session } = await begin();
  const late = server.gate("/me", "answer");
  const caller = new AbortController();
  server.expire();

  const answer = session.connect({ origins: [server.origin] }).send(quiet(server.fetch, caller.signal));
  caller.abort("enough");
  late.open();

  await expect(answer).rejects.toBe("enough");
  await settled();
  expect(ledger(server.log)).toMatchObject({ requests: 1, refusals: 1 });
});

test("rejects all the requests of one signal, and no others", async () => {
  const { clock, server, request } = await begin();
  const refreshing = server.gate("token");
  const caller = new AbortController();
  clock.jump(LIFETIME);

  const answers = ["/1", "/2", "/3", "/4"].map((path, place) =>
    request(path, place % 2 ? {} : { signal: caller.signal }),
  );
  await refreshing.reached(1);
  caller.abort("enough");
  refreshing.open();

  const outcomes = await Promise.allSettled(answers);
  expect(outcomes.map(({ status }) => status)).toStrictEqual([
    "rejected",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, answers: 2 });
});

test("leaves the abort of a request that is under way to its client", async () => {
  const { server, session, request } = await begin();
  server.gate("/me", "answer");
  const caller = new AbortController();

  const sent = request("/me", { signal: caller.signal });
  caller.abort("enough");

  await expect(sent).rejects.toBe("enough");
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1, unanswered: 1 });
});

test("hold() rejects at once with the signal's reason", async () => {
  const { clock, server, session } = await begin();
  const caller = new AbortController();
  clock.jump(LIFETIME);

  const held = session.connect({ origins: [server.origin] }).hold(caller.signal);
  caller.abort("enough");

  await expect(held).rejects.toBe("enough");
});

/** A request whose client does not listen to its signal. */
function quiet(
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  signal: AbortSignal,
): Exchange<Response> {
  const url = "https://server.test/me";
  return {
    url,
    method: "GET",
    signal,
    replayable: true,
    send: (headers) => fetch(url, { headers }),
    answer: (response) => ({ status: response.status, field: () => null, response }),
    release: (response) => response,
  };
}

/** A signal that counts who listens to its abort. */
function watched() {
  const controller = new AbortController();
  const { signal } = controller;
  const listening = { now: 0, ever: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listening.now++;
    listening.ever++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listening.now--;
    removeEventListener.apply(signal, args);
  };
  return { signal, listening, abort: () => controller.abort() };
}

test("says by its signal why an attempt was given up", async () => {
  const clock = createClock();
  let given: AbortSignal | undefined;
  const { session } = sessionOn(createServer(), {
    clock,
    refreshAttempts: 1,
    refresh({ signal }) {
      given = signal;
      return new Promise(() => {});
    },
  });
  await session.signIn({ accessToken: "a0" });
  const refreshed = session.refresh().catch(() => {});

  await clock.advance(10_000);
  await refreshed;

  expect(given?.reason.message).toBe("The refresh took longer than 10000 ms");
});
