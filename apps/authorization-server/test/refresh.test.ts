import { inspect } from "node:util";
import { expect, test } from "vitest";
import { signIn, startAuthorizationServer } from "../src/index.ts";
import { call, refresh, revoke, signedIn } from "./token-endpoint.ts";

const alice = { family: 1, account: "alice" };

test("rotates the refresh token", async () => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const { r0 } = await signedIn(server, "alice");

  const first = await refresh(server, r0);
  const second = await refresh(server, first.refresh_token);

  expect(new Set([r0, first.refresh_token, second.refresh_token]).size).toBe(3);
  expect((await call(server, "/me", second.access_token)).status).toBe(200);
  expect(server.ledger).toStrictEqual({
    presentations: [
      { token: 1, ...alice, again: false, outcome: "rotated" },
      { token: 2, ...alice, again: false, outcome: "rotated" },
    ],
    revocations: [],
  });
});

test("revokes the whole family when a refresh token is used again", async () => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const { a0, r0 } = await signedIn(server, "alice");
  const { access_token: a1, refresh_token: r1 } = await refresh(server, r0);

  const reused = await refresh(server, r0);
  const orphaned = await refresh(server, r1);

  expect([reused, orphaned]).toMatchObject([
    { status: 400, error: "invalid_grant" },
    { status: 400, error: "invalid_grant" },
  ]);
  expect([(await call(server, "/me", a0)).status, (await call(server, "/me", a1)).status]).toStrictEqual([
    401, 401,
  ]);
  expect(server.ledger).toStrictEqual({
    presentations: [
      { token: 1, ...alice, again: false, outcome: "rotated" },
      { token: 1, ...alice, again: true, outcome: "reused" },
      { token: 2, ...alice, again: false, outcome: "invalid" },
    ],
    revocations: [{ family: 1, because: "reuse" }],
  });
});

test("redeems a refresh token once when it is presented fifty times together", async () => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const { r0 } = await signedIn(server, "alice");

  const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(server, r0)));

  const winners = answers.filter(({ status }) => status === 200);
  expect(winners).toHaveLength(1);
  expect(server.ledger.presentations.slice(0, 3).map(({ outcome }) => outcome)).toStrictEqual([
    "rotated",
    "reused",
    "invalid",
  ]);
  expect(server.ledger.presentations).toHaveLength(50);
  expect((await call(server, "/me", winners[0]?.access_token ?? "")).status).toBe(401);
  expect((await refresh(server, winners[0]?.refresh_token ?? "")).status).toBe(400);
});

test("sees the reuse of the first refresh token after 1,200 rotations", async () => {
  await using server = await startAuthorizationServer();
  const { r0 } = await signedIn(server, "alice");
  let newest = r0;
  for (let rotation = 0; rotation < 1200; rotation += 1) {
    newest = (await refresh(server, newest)).refresh_token;
  }

  await refresh(server, r0);

  expect(server.ledger.presentations.at(-1)).toStrictEqual({
    token: 1,
    ...alice,
    again: true,
    outcome: "reused",
  });
});

test("leaves the family of another account alone", async () => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const aliceTokens = await signedIn(server, "alice");
  const bobTokens = await signedIn(server, "bob");
  await refresh(server, aliceTokens.r0);

  await refresh(server, aliceTokens.r0);

  expect((await call(server, "/me", bobTokens.a0)).status).toBe(200);
  expect((await refresh(server, bobTokens.r0)).status).toBe(200);
  expect(server.ledger.revocations).toStrictEqual([{ family: 1, because: "reuse" }]);
});

test.each(["access", "refresh"])("revokes the family with its %s token", async (kind) => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const { a0, r0 } = await signedIn(server, "alice");

  const status = await revoke(server, kind === "access" ? a0 : r0);

  expect(status).toBe(200);
  expect((await call(server, "/me", a0)).status).toBe(401);
  expect((await refresh(server, r0)).status).toBe(400);
  expect(server.ledger).toStrictEqual({
    presentations: [{ token: 1, ...alice, again: false, outcome: "invalid" }],
    revocations: [{ family: 1, because: "request" }],
  });
});

test("revokes nothing for a token that is none", async () => {
  await using server = await startAuthorizationServer();

  expect(await revoke(server, "made-up")).toBe(200);
  expect(server.ledger).toStrictEqual({ presentations: [], revocations: [] });
});

test("writes down a refresh token that it never issued, and one that another client presents", async () => {
  await using server = await startAuthorizationServer();
  const { r0 } = await signedIn(server, "alice");

  await refresh(server, "made-up");
  await refresh({ ...server, clientId: "unknown" }, r0);

  expect(server.ledger.presentations).toStrictEqual([
    { token: 2, again: false, outcome: "invalid" },
    { token: 1, ...alice, again: false, outcome: "invalid" },
  ]);
});

test("ties two sign-ins of one browser to one family", async () => {
  await using server = await startAuthorizationServer();
  const cookies = new Map<string, string>();
  const first = await signIn(server, { account: "alice", cookies });
  const second = await signIn(server, { account: "alice", cookies });

  await refresh(server, first.refresh_token ?? "");
  await refresh(server, second.refresh_token ?? "");

  expect(server.ledger.presentations.map(({ token, family }) => ({ token, family }))).toStrictEqual([
    { token: 1, family: 1 },
    { token: 2, family: 1 },
  ]);
});

test("keeps tokens out of the ledger", async () => {
  await using server = await startAuthorizationServer();
  const { a0, r0 } = await signedIn(server, "alice");
  const { refresh_token: r1 } = await refresh(server, r0);
  await refresh(server, r0);

  const written = inspect(server.ledger, { depth: Infinity, showHidden: true });

  for (const token of [a0, r0, r1]) expect(written).not.toContain(token);
});
