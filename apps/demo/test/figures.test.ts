import { type AuthorizationServer, follow, startAuthorizationServer } from "@freshtoken/authorization-server";
import type { Session, TokenSet } from "@freshtoken/core";
import { expect, test } from "vitest";
import { type Client, sendBursts } from "../src/bursts.ts";
import { figuresOf } from "../src/figures.ts";
import { count, createJournal } from "../src/journal.ts";
import { axiosTurn, fetchTurn, kyTurn, type Turn } from "../src/turns.ts";
import { ending, isFlawless, verdict } from "../src/verdict.ts";
import { createWire } from "../src/wire.ts";
import { connectAxios } from "../src/wiring/axios.ts";
import { connectFetch } from "../src/wiring/fetch.ts";
import { connectKy } from "../src/wiring/ky.ts";
import { connectSession } from "../src/wiring/session.ts";
import { signUserIn } from "../src/wiring/sign-in.ts";

type Member = Client & { readonly session: Session };

async function signedIn(server: AuthorizationServer, change?: () => Partial<TokenSet>): Promise<Member> {
  const account = "alice";
  const { api, issuer, clientId, redirectUri } = server;
  const journal = createJournal();
  const wire = createWire(journal);
  const { fetch, adapter } = wire;
  const application = connectSession({ issuer, clientId, redirectUri, scope: "openid", fetch });
  const { session } = application;
  const visit = (url: string) => follow(new URL(url), redirectUri);
  await signUserIn(application, visit, { parameters: { login_hint: account } });
  if (change) await session.signIn({ ...(await session.tokens()), ...change() });
  const turns = [
    axiosTurn(connectAxios(session, api, { adapter })),
    kyTurn(connectKy(session, api, { fetch })),
    fetchTurn(connectFetch(session, api, { fetch }), api),
  ];
  return { name: "Freshtoken", account, api, turns, wire, journal, session };
}

test.each([
  ["held", () => ({ issuedAt: Date.now(), expiresAt: Date.now() + 1_000 }), 1000],
  ["refused", () => ({ accessToken: "gone", expiresAt: undefined }), 0],
])("sees on the wire what the session tells of requests that are %s", async (_, change, age) => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const client = await signedIn(server, change);
  const told = { held: 0, replayed: 0, refreshed: 0 };
  client.session.subscribe(({ type }) => {
    if (type in told) told[type as keyof typeof told] += 1;
  });

  await sendBursts(client, [{ title: "", age, isKnown: true }], () => {});

  const figures = figuresOf(client, server.ledger);
  const held = count(client.journal.entries, "held");
  expect({ held, replayed: figures.replays, refreshed: figures.refreshes }).toStrictEqual(told);
  expect(figures).toMatchObject({ requests: 100, answered: 100, refreshes: 1, reused: 0 });
  expect(Math.max(told.held, told.replayed)).toBeGreaterThanOrEqual(60);
});

test("counts refreshes of young tokens, and refresh tokens that the server saw twice", async () => {
  await using server = await startAuthorizationServer();
  const client = await signedIn(server);
  const twice = client.session.state;
  await client.session.refresh();

  await fetch(`${server.issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: server.clientId,
      refresh_token: (twice.status === "signedIn" && twice.tokens.refreshToken) || "",
    }),
  });

  expect(figuresOf(client, server.ledger)).toMatchObject({ refreshes: 2, needless: 1, reused: 1 });
});

test("counts as lost what is rejected, what answers another request, and what is not answered in time", async () => {
  await using server = await startAuthorizationServer();
  const client = await signedIn(server);
  const turns: Turn[] = [
    { transport: "axios", get: () => Promise.reject(new Error()) },
    { transport: "ky", get: () => new Promise(() => {}) },
    { transport: "fetch", get: async (path) => ({ account: "alice", path }) },
    { transport: "fetch", get: async (path) => ({ account: "bob", path }) },
    { transport: "fetch", get: async () => ({ account: "alice", path: "/" }) },
  ];
  const plan = [1, 2].map(() => ({ title: "", age: 0, isKnown: true }));

  await sendBursts({ ...client, turns }, plan, () => {}, 100);

  expect(figuresOf(client, server.ledger)).toMatchObject({
    requests: 200,
    answered: 40,
    turns: [
      { transport: "axios", requests: 40, answered: 0 },
      { transport: "ky", requests: 40, answered: 0 },
      { transport: "fetch", requests: 120, answered: 40 },
    ],
  });
});

const flawless = { requests: 2, answered: 2, refreshes: 3, reused: 0, unhandled: 0 };

test.each([
  [{}, true, "All 2 answered; 3 refreshes for 3 expiries; no refresh token seen twice."],
  [{ answered: 1 }, false, "Lost 1 of 2; 3 refreshes for 3 expiries; no refresh token seen twice."],
  [{ refreshes: 4 }, false, "All 2 answered; 4 refreshes for 3 expiries; no refresh token seen twice."],
  [{ refreshes: 1 }, false, "All 2 answered; 1 refresh for 3 expiries; no refresh token seen twice."],
  [{ reused: 1 }, false, "All 2 answered; 3 refreshes for 3 expiries; 1 refresh token seen twice."],
  [{ unhandled: 1 }, false, "All 2 answered; 3 refreshes for 3 expiries; no refresh token seen twice."],
  [
    { requests: 0, answered: 0 },
    false,
    "All 0 answered; 3 refreshes for 3 expiries; no refresh token seen twice.",
  ],
])("judges a run that is flawless but for %j", (change, expected, words) => {
  const figures = { ...flawless, ...change };

  expect(isFlawless(figures, 3)).toBe(expected);
  expect(verdict(figures, 3)).toBe(words);
});

test("tells from the server's own ledger whether the sign-out reached it, which a reuse is not", async () => {
  await using server = await startAuthorizationServer();
  const { session } = await signedIn(server);
  const before = ending({ presentations: [], revocations: [{ family: 1, because: "reuse" }] });

  await session.signOut();
  await expect.poll(() => server.ledger.revocations).toStrictEqual([{ family: 1, because: "request" }]);

  expect([before, ending(server.ledger)]).toStrictEqual([
    "Freshtoken signed in through @freshtoken/oauth and out again; its tokens are NOT revoked.",
    "Freshtoken signed in through @freshtoken/oauth and out again; its tokens are revoked.",
  ]);
});

test("counts neither the exchange of a code nor a revocation as a refresh", async () => {
  await using server = await startAuthorizationServer();
  const { session, journal, wire } = await signedIn(server);
  journal.begin("");

  await session.refresh();
  await session.signOut();
  await expect.poll(() => server.ledger.revocations).toHaveLength(1);

  expect([count(journal.entries, "refresh"), wire.agesAtRefresh.length]).toStrictEqual([1, 1]);
});
