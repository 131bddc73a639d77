import { createSession, type Session } from "@freshtoken/core";
import { createGate, createServer, ledger, type Server, settled, story } from "@freshtoken/testing";
import { describe, expect, test, vi } from "vitest";
import { sessionHooks } from "../src/index.ts";
import {
  account,
  arrivals,
  burst,
  fakeTimers,
  generation,
  HOUR,
  hourly,
  inMemory,
  outcomeOf,
  releases,
  stage,
} from "./support.ts";

describe.each(releases)("through $name", (via) => {
  test("answers a burst of 100 at an expiry that nobody knew of with one refresh", async () => {
    const { server, client } = await stage(via);
    server.expire();

    const generations = await burst(client, 100);

    expect(generations).toStrictEqual(Array(100).fill(1));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 200, refusals: 100, answers: 100 }),
    );
  });

  test("holds a burst of 100 while a stale token is refreshed, and sends each once", async () => {
    const { clock, ...both } = hourly();
    const { server, client } = await stage(via, { clock, ...both });
    clock.jump(HOUR);

    const generations = await burst(client, 100);

    expect(generations).toStrictEqual(Array(100).fill(1));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 100, answers: 100 }),
    );
  });

  test("sends a burst of 100 with an ageing token, and refreshes once in the background", async () => {
    const { clock, ...both } = hourly();
    const { server, session, client } = await stage(via, { clock, ...both });
    const gate = server.gate("token");
    clock.jump(HOUR - 30_000);

    const generations = await burst(client, 100);
    gate.open();
    await session.refresh();

    expect(generations).toStrictEqual(Array(100).fill(0));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 100, answers: 100 }),
    );
  });

  test("sends what it held in the order in which it was made", async () => {
    const { clock, ...both } = hourly();
    const { server, client } = await inMemory(via, { clock, ...both });
    clock.jump(HOUR);

    await burst(client, 50);

    expect(arrivals(server).map(({ path }) => path)).toStrictEqual(
      Array.from({ length: 50 }, (_, index) => `/${index}`),
    );
  });

  test("holds what is made while a refused token is refreshed", async () => {
    const { server, client } = await stage(via);
    const gate = server.gate("token");
    server.expire();

    const first = generation(client.get("first").json());
    await gate.reached(1);
    const second = generation(client.get("second").json());
    await settled();
    gate.open();

    expect([await first, await second]).toStrictEqual([1, 1]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 3, refusals: 1, answers: 2 }),
    );
  });

  test("replays a refusal that arrives after the refresh without another one", async () => {
    const { server, client } = await stage(via);
    const gate = server.gate("/late", "answer");
    server.expire();

    const late = client.get("late").text();
    await gate.reached(1);
    await client.get("soon").text();
    gate.open();
    await late;

    expect(story(server.log).slice(4)).toStrictEqual([
      "← 401 GET /soon a0",
      "→ token r0",
      "← 200 token r0: rotated, a1 r1",
      "→ GET /soon a1",
      "← 200 GET /soon a1",
      "← 401 GET /late a0",
      "→ GET /late a1",
      "← 200 GET /late a1",
    ]);
  });

  test("rejects what was refused or held before a sign-in, and never sends it with the new token", async () => {
    const { server, session, client } = await stage(via);
    const gate = server.gate("token");
    server.expire();

    const refused = client.get("refused");
    await gate.reached(1);
    const failures = Promise.allSettled([refused, client.get("held")]);
    await settled();
    await session.signIn(server.signIn());
    const after = await client.get("after").json();
    gate.open();

    expect(await failures).toMatchObject([
      { reason: { code: "ERR_SIGNED_OUT" } },
      { reason: { code: "ERR_SIGNED_OUT" } },
    ]);
    expect(after).toMatchObject({ path: "/after", family: 2, generation: 0 });
    expect(ledger(server.log)).toMatchObject({ signIns: 2, requests: 2, answers: 1 });
  });
});

const endings: readonly [string, (session: Session, server: Server) => Promise<unknown>, string][] = [
  ["a sign-out", (session) => session.signOut(), "ERR_SIGNED_OUT"],
  [
    "a rejection",
    (session, server) => {
      server.withdraw();
      return outcomeOf(session.refresh());
    },
    "ERR_REFRESH_REJECTED",
  ],
];

describe.each(endings)("after %s", (_, end, code) => {
  test.each(releases)("rejects what $name was about to retry, and does not send it", async (via) => {
    const { server, session, client } = await inMemory(via);
    server.next("/me", { status: 503 });
    fakeTimers();

    const outcome = outcomeOf(client.get("me"));
    await server.when((log) => ledger(log).answers === 1);
    await end(session, server);
    await vi.advanceTimersByTimeAsync(1_000);

    expect(await outcome).toMatchObject({ code, request: { method: "GET" } });
    expect(arrivals(server)).toHaveLength(1);
  });
});

test.each(releases)("rejects a request of $name that a user's hook delayed past a sign-in", async (via) => {
  const gate = createGate();
  const { server, session, client } = await inMemory(via);

  const outcome = outcomeOf(client.get("me", { hooks: { beforeRequest: [() => gate.pass()] } }));
  await gate.reached(1);
  await session.signIn(server.signIn());
  gate.open();

  expect(await outcome).toMatchObject({ code: "ERR_SIGNED_OUT" });
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 2 }));
});

test.each(releases)("rejects a retry of $name whose request was made before a sign-in", async (via) => {
  const server = createServer();
  const gate = server.gate("/me");
  server.next("/me", { status: 503 });
  const { session, client } = await inMemory(via, { server, options: { retry: { delay: () => 0 } } });

  const outcome = outcomeOf(client.get("me"));
  await gate.reached(1);
  await session.signIn(server.signIn());
  gate.open();

  expect(await outcome).toMatchObject({ code: "ERR_SIGNED_OUT" });
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 1, answers: 1 }));
});

test.each(releases)(
  "stamps a request of $name that was made while the store is read, for its retries too",
  async ({ ky }) => {
    const server = createServer();
    const gate = server.gate("/me");
    server.next("/me", { status: 503 });
    const store = { load: async () => null, save: () => {} };
    const session = createSession({ refresh: async () => null, store, tokens: server.signIn() });
    const hooks = sessionHooks(session);
    const client = ky.create({
      prefix: server.origin,
      fetch: server.fetch,
      retry: { delay: () => 0 },
      hooks,
    });

    const outcome = outcomeOf(client.get("me"));
    await gate.reached(1);
    await session.signIn(server.signIn());
    gate.open();

    expect(await outcome).toMatchObject({ code: "ERR_SIGNED_OUT" });
    expect(arrivals(server).map(({ token }) => token)).toStrictEqual(["a0"]);
  },
);

test.each(releases)(
  "rejects a request of $name that was held for a stored session, which a sign-in replaces once it is read",
  async ({ ky }) => {
    const reading = createGate();
    const server = createServer();
    const { access_token: accessToken } = server.signIn();
    const load = () => reading.pass().then(() => ({ family: "one", generation: 0, tokens: { accessToken } }));
    const session = createSession({ refresh: async () => null, store: { load, save: () => {} } });
    const client = ky.create({ prefix: server.origin, fetch: server.fetch, hooks: sessionHooks(session) });

    const outcome = outcomeOf(client.get("me"));
    await reading.reached(1);
    await settled();
    const signedIn = session.loaded.then(() => session.signIn(server.signIn()));
    reading.open();

    expect(await outcome).toMatchObject({ code: "ERR_SIGNED_OUT" });
    await signedIn;
    expect(ledger(server.log)).toStrictEqual(account({ signIns: 2 }));
  },
);
