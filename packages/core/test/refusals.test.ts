import { type Answer, bearer, type Scheme } from "@freshtoken/core";
import { type Fault, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { begin, settled } from "./support.ts";

const curable: [string, Fault][] = [
  ["without a challenge", { status: 401 }],
  ["with a bare challenge", { refuse: "Bearer" }],
  ["with invalid_token", { refuse: 'Bearer realm="api", error="invalid_token"' }],
  ["with an unknown error", { refuse: 'Bearer error="insufficient_scopes_maybe"' }],
  ["that only describes a scope", { refuse: 'Bearer error_description="not insufficient_scope"' }],
  ["of another scheme", { refuse: 'DPoP error="invalid_token"' }],
  ["with a page of HTML", { status: 401, html: true }],
];

test.each(curable)("refreshes for a 401 %s", async (_, fault) => {
  const { server, request } = await begin();
  server.next("/me", fault);

  expect((await request("/me")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, refusals: 1, answers: 1 });
});

const incurable: [string, Fault][] = [
  ["401 insufficient_scope", { refuse: 'Bearer error="insufficient_scope", scope="admin"' }],
  ["401 insufficient_scope, unquoted", { refuse: "Bearer error=insufficient_scope" }],
  ["401 insufficient_user_authentication", { refuse: 'Bearer error="insufficient_user_authentication"' }],
  ["401 use_dpop_nonce, which the scheme leaves", { refuse: 'DPoP error="use_dpop_nonce"' }],
  ["401 invalid_dpop_proof", { refuse: 'DPoP error="invalid_dpop_proof"' }],
  ["401 insufficient_scope behind another challenge", { refuse: 'Basic, Bearer error="insufficient_scope"' }],
  ["400", { status: 400 }],
  ["403", { status: 403 }],
  ["403 with invalid_token", { status: 403, refuse: 'Bearer error="invalid_token"' }],
  ["407", { status: 407 }],
  ["500", { status: 500 }],
];

test.each(incurable)("leaves a %s to its caller", async (_, fault) => {
  const { server, request } = await begin();
  server.always("/me", { status: 401, ...fault, json: "its own" });

  const answer = await request("/me");

  expect([answer.status, await answer.json()]).toStrictEqual([fault.status ?? 401, "its own"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1 });
});

test.each([
  ["https://elsewhere.test/me", 401, 0],
  ["https://server.test.evil/me", 401, 0],
  ["http://server.test/me", 401, 0],
  ["https://server.test:8443/me", 401, 0],
  ["https://server.test/redirected", 200, 1],
  ["https://SERVER.test:443/me", 200, 1],
  ["", 200, 1],
])("where the final URL is %j, a 401 ends as %i after %i refreshes", async (url, status, attempts) => {
  const { server, request } = await begin();
  server.next("/me", { refuse: true });
  const { fetch } = server;
  server.fetch = async (input, init) => {
    const response = await fetch(input, init);
    return response.ok ? response : Object.defineProperty(response, "url", { value: url });
  };

  expect((await request("/me")).status).toBe(status);
  expect(ledger(server.log)).toMatchObject({ attempts, requests: 1 + attempts });
});

test("leaves use_dpop_nonce to the scheme", async () => {
  const answered = (answer: Answer) =>
    answer.field("www-authenticate")?.includes("use_dpop_nonce") ? ("replay" as const) : undefined;
  const { server, request } = await begin({ scheme: { ...bearer(), answered } });
  server.next("/me", { refuse: 'DPoP error="use_dpop_nonce"' });

  expect((await request("/me")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 2, refusals: 1 });
});

test("shows the scheme every answer", async () => {
  const seen: unknown[] = [];
  const answered = (answer: Answer, request: { method: string; url: string }) =>
    void seen.push([request.method, request.url, answer.status]);
  const { server, request } = await begin({ scheme: { ...bearer(), answered } });
  server.next("/me", { refuse: true });

  await request("/me", { method: "POST", body: "once more" });

  expect(seen).toStrictEqual([
    ["POST", "https://server.test/me", 401],
    ["POST", "https://server.test/me", 200],
  ]);
});

test("asks the scheme about every attempt of a request with the same object", async () => {
  const asked: object[] = [];
  const scheme: Scheme = {
    ...bearer(),
    fields: (tokens, request) => {
      asked.push(request);
      return bearer().fields(tokens, request);
    },
    answered: (_answer, request) => void asked.push(request),
  };
  const { server, request } = await begin({ scheme });
  server.next("/me", { refuse: true });

  await request("/me");
  await request("/me");

  expect(asked).toHaveLength(6);
  expect(new Set(asked.slice(0, 4)).size).toBe(1);
  expect(new Set(asked).size).toBe(2);
});

test.each([
  ["at once", (answer: Answer) => answer.status === 403],
  ["later", async (answer: Answer) => answer.status === 403],
  [
    "from a clone of the body",
    async ({ response }: Answer) => (await (response as Response).clone().text()) === "expired",
  ],
])("lets isRefusal say %s what a refusal is", async (_, isRefusal) => {
  const { server, request } = await begin({ isRefusal });
  server.next("/one", { status: 403, body: "expired" });
  server.next("/two", { status: 401, body: "not ours" });

  const answers = [await request("/one"), await request("/two")];

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 401]);
  expect(await answers[1]?.text()).toBe("not ours");
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 3 });
});

test("rejects a request whose isRefusal throws, with what it threw", async () => {
  const wrong = new Error("cannot tell");
  const isRefusal = () => {
    throw wrong;
  };
  const { server, session, request } = await begin({ isRefusal });

  await expect(request("/me")).rejects.toBe(wrong);
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1 });
});

test("gives the socket of an answer back that isRefusal could not judge", async () => {
  const isRefusal = async () => Promise.reject(new Error("cannot tell"));
  const { server, session } = await begin({ isRefusal });
  const released: number[] = [];

  const sent = session.connect({ origins: [server.origin] }).send({
    url: server.origin,
    method: "GET",
    replayable: true,
    send: async () => 401,
    answer: (status) => ({ status, field: () => null, response: status }),
    release: (status) => released.push(status),
  });

  await expect(sent).rejects.toThrow("cannot tell");
  expect(released).toStrictEqual([401]);
});

test("refreshes for refusals five times in 30 s, then gives them to their callers", async () => {
  const { clock, server, events, request } = await begin();
  const statuses: number[] = [];

  for (let place = 0; place < 6; place++) {
    clock.jump(1_000);
    server.expire();
    statuses.push((await request("/me")).status);
  }

  expect(statuses).toStrictEqual([200, 200, 200, 200, 200, 401]);
  expect(ledger(server.log)).toMatchObject({ attempts: 5, refreshes: 5, requests: 11, refusals: 6 });
  expect(events.filter(({ type }) => type === "refreshSuppressed")).toHaveLength(1);
});

test.each([
  { passed: 29_999, status: 401, attempts: 1 },
  { passed: 30_000, status: 200, attempts: 2 },
])(
  "allows one more refusal after $passed ms of a window of 30 s: $attempts in all",
  async ({ passed, status, attempts }) => {
    const { clock, server, request } = await begin({ refusalLimit: { max: 1, within: 30_000 } });
    server.expire();
    await request("/me");

    clock.jump(passed);
    server.expire();

    expect((await request("/me")).status).toBe(status);
    expect(ledger(server.log)).toMatchObject({ attempts });
  },
);

test("slides the window of refusals with each of them", async () => {
  const { clock, server, request } = await begin({ refusalLimit: { max: 2, within: 1_000 } });
  const statuses: number[] = [];

  for (const ms of [0, 600, 400, 0, 600]) {
    clock.jump(ms);
    server.expire();
    statuses.push((await request("/me")).status);
  }

  expect(statuses).toStrictEqual([200, 200, 200, 401, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 4 });
});

test("does not prolong the window of refusals when the clock is set back", async () => {
  const { clock, server, request } = await begin({ refusalLimit: { max: 1, within: 30_000 } });
  server.expire();
  await request("/me");

  clock.jump(-86_400_000);
  server.expire();

  expect((await request("/me")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 2 });
});

test("counts one round for refusals that it answers together", async () => {
  const { server, request } = await begin({ refusalLimit: { max: 2, within: 30_000 } });

  for (const _ of [1, 2]) {
    server.expire();
    await Promise.all([request("/1"), request("/2"), request("/3")]);
  }

  expect(ledger(server.log)).toMatchObject({ attempts: 2, requests: 12, refusals: 6, answers: 6 });
});

test("does not count refusals that a cool-down answered", async () => {
  const { clock, server, session, events, request } = await begin({
    refreshAttempts: 1,
    refusalLimit: { max: 2, within: 30_000 },
  });
  server.expire();
  server.next("token", { status: 503 });
  for (const _ of [1, 2, 3]) await request("/me").catch(() => {});
  clock.jump(1_000);

  expect((await request("/me")).status).toBe(200);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a1" } });
  expect(events.filter(({ type }) => type === "refreshSuppressed")).toStrictEqual([]);
});

test("does not count rounds that no refusal caused", async () => {
  const { server, session, request } = await begin({ refusalLimit: { max: 1, within: 30_000 } });
  await session.refresh();
  await session.refresh();
  server.expire();

  expect((await request("/me")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 3, requests: 2 });
});

test("goes on sending the token past the refusal limit, and replays for a newer one", async () => {
  const { server, session, request } = await begin({ refusalLimit: { max: 0, within: 30_000 } });
  server.expire();

  const before = await request("/me");
  await session.refresh();
  const after = await request("/me");

  expect([before.status, after.status]).toStrictEqual([401, 200]);
  expect(await before.json()).toStrictEqual({ error: "invalid_token" });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2 });
});

test("starts the refusal limit anew with a sign-in", async () => {
  const { server, session, request } = await begin({ refusalLimit: { max: 1, within: 30_000 } });
  server.expire();
  await request("/me");
  await session.signIn(server.signIn());
  server.expire();

  expect((await request("/me")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 2 });
});

test("has no refusal limit where it is false", async () => {
  const { server, request } = await begin({ refusalLimit: false });

  for (let place = 0; place < 20; place++) {
    server.expire();
    expect((await request("/me")).status).toBe(200);
  }

  expect(ledger(server.log)).toMatchObject({ attempts: 20, refreshes: 20, reuses: 0 });
});

test("lets requests pass through without a token when signed out, and their 401s come back untouched", async () => {
  const { server, session, events, request } = await begin();
  await session.signOut();
  const seen = events.length;
  server.next("/sign-in", { status: 401, body: "wrong password" });

  const answer = await request("/sign-in", { method: "POST", body: "user" });

  expect([answer.status, await answer.text()]).toStrictEqual([401, "wrong password"]);
  expect(events.slice(seen)).toStrictEqual([]);
  expect(story(server.log)).toStrictEqual(["signIn: a0 r0", "→ POST /sign-in", "← 401 POST /sign-in"]);
});

test("lets a request that was made signed out keep its 401 when somebody signs in meanwhile", async () => {
  const { server, session, request } = await begin();
  await session.signOut();
  const answering = server.gate("/me", "answer");

  const answer = request("/me");
  await session.signIn(server.signIn());
  answering.open();

  expect((await answer).status).toBe(401);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1, refusals: 1 });
});

test("waits in a cool-down for the round that refresh() has started", async () => {
  const { server, session, request } = await begin({ refreshAttempts: 1 });
  server.next("token", { status: 503 });
  await session.refresh().catch(() => {});
  const gate = server.gate("token");
  const refreshed = session.refresh();
  await gate.reached(1);
  server.next("/me", { status: 401 });

  const answer = request("/me");
  await settled();
  gate.open();
  await refreshed;

  expect((await answer).status).toBe(200);
});
