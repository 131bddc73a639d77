import { type AuthorizationServer, signIn, startAuthorizationServer } from "@freshtoken/authorization-server";
import type { Session } from "@freshtoken/core";
import { expect, test } from "vitest";
import { type Client, sendBursts } from "../src/bursts.ts";
import { figuresOf } from "../src/figures.ts";
import { count, createJournal } from "../src/journal.ts";
import { loopback } from "../src/loopback.ts";
import { isFlawless, verdict } from "../src/verdict.ts";
import { createWire } from "../src/wire.ts";
import { connect } from "../src/wiring.ts";

type Tokens = Awaited<ReturnType<typeof signIn>>;

async function signedIn(server: AuthorizationServer, change: Partial<Tokens> = {}) {
  const account = "alice";
  const tokens: Tokens = { ...(await signIn(server, { account })), ...change };
  const journal = createJournal();
  const wire = createWire(journal, tokens.access_token);
  const http = loopback(wire.fetch);
  const { session, fetch } = await connect({ ...server, tokens, fetch: wire.fetch, http });
  return { name: "Freshtoken", account, api: server.api, fetch, wire, journal, session } satisfies Client & {
    session: Session;
  };
}

test.each([
  ["held", { expires_in: 1 }],
  ["refused", { access_token: "gone", expires_in: -1 }],
])("sees on the wire what the session tells of requests that are %s", async (_, change) => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const client = await signedIn(server, change);
  const told = { held: 0, replayed: 0, refreshed: 0 };
  client.session.subscribe(({ type }) => {
    if (type in told) told[type as keyof typeof told] += 1;
  });

  await sendBursts(client, [{ title: "", age: 1000, isKnown: true }], () => {});

  const figures = figuresOf(client, server.ledger);
  const held = count(client.journal.entries, "held");
  expect({ held, replayed: figures.replays, refreshed: figures.refreshes }).toStrictEqual(told);
  expect(figures).toMatchObject({ requests: 100, answered: 100, refreshes: 1, reused: 0 });
  expect(Math.max(told.held, told.replayed)).toBeGreaterThanOrEqual(60);
});

test("counts a refresh token that the server saw twice", async () => {
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

  expect(figuresOf(client, server.ledger)).toMatchObject({ refreshes: 2, reused: 1 });
});

test.each([
  [
    { requests: 2, answered: 2, reused: 0 },
    true,
    "Every request was answered; the server saw no refresh token twice.",
  ],
  [
    { requests: 2, answered: 1, reused: 0 },
    false,
    "Lost 1 of 2 requests; the server saw no refresh token twice.",
  ],
  [
    { requests: 2, answered: 2, reused: 1 },
    false,
    "Every request was answered; the server saw 1 of the refresh tokens twice.",
  ],
  [
    { requests: 0, answered: 0, reused: 0 },
    false,
    "Every request was answered; the server saw no refresh token twice.",
  ],
])("judges %j", (figures, flawless, words) => {
  expect(isFlawless(figures)).toBe(flawless);
  expect(verdict(figures)).toBe(words);
});
