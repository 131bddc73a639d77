import { bearer, type Scheme, SignedOutError } from "@freshtoken/core";
import { createGate, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { begin, settled } from "./support.ts";

test("replays a refusal that arrives after the refresh, without another one", async () => {
  const { server, request } = await begin();
  const late = server.gate("/late", "answer");
  server.expire();

  const slow = request("/late");
  await request("/quick");
  late.open();

  expect((await slow).status).toBe(200);
  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "expire: a0",
    "→ GET /late a0",
    "→ GET /quick a0",
    "← 401 GET /quick a0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "→ GET /quick a1",
    "← 200 GET /quick a1",
    "← 401 GET /late a0",
    "→ GET /late a1",
    "← 200 GET /late a1",
  ]);
});

test("replays a refusal that outlived several refreshes with the newest generation", async () => {
  const { server, session, request } = await begin();
  const late = server.gate("/late", "answer");
  server.expire();

  const slow = request("/late");
  await session.refresh();
  await session.refresh();
  late.open();

  expect(await (await slow).json()).toMatchObject({ generation: 2 });
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 2, requests: 2, refusals: 1 });
});

test("holds the replay of an older refusal while the newer generation is refused and refreshed", async () => {
  const { server, session, request } = await begin();
  const late = server.gate("/late", "answer");
  server.expire();
  const slow = request("/late");
  await session.refresh();
  server.expire();
  const refreshing = server.gate("token");

  const quick = request("/quick");
  await refreshing.reached(1);
  late.open();
  await settled();
  refreshing.open();

  const answers = await Promise.all([slow, quick].map(async (answer) => (await answer).json()));
  expect(answers.map(({ generation }) => generation)).toStrictEqual([2, 2]);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 2, requests: 4, refusals: 2 });
});

test("counts generations, and does not compare token strings", async () => {
  const { server, request } = await begin();
  server.next("token", { merge: { access_token: "a0" } });
  server.next("/me", { refuse: true });

  const answer = await request("/me");

  expect(answer.status).toBe(200);
  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "→ GET /me a0",
    "← 401 GET /me a0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "→ GET /me a0",
    "← 200 GET /me a0",
  ]);
});

test("does not refresh the present family for a refusal of an earlier one", async () => {
  const { server, session, request } = await begin();
  const late = server.gate("/late", "answer");
  server.expire();

  const slow = request("/late");
  await session.signIn(server.signIn());
  late.open();

  await expect(slow).rejects.toThrow(SignedOutError);
  await settled();
  expect(ledger(server.log)).toMatchObject({ signIns: 2, attempts: 0, requests: 1, refusals: 1 });
});

test("keeps the family of a sign-in through every refresh", async () => {
  const { server, session } = await begin();
  const connection = session.connect({ origins: [server.origin] });
  const family = connection.family();

  await session.refresh();
  await session.refresh();

  expect(family).toMatch(/./);
  expect(connection.family()).toBe(family);
});

test("gives every sign-in a family of its own", async () => {
  const { server, session } = await begin();
  const connection = session.connect({ origins: [server.origin] });
  const families = [connection.family()];

  await session.signOut();
  families.push(connection.family());
  await session.signIn(server.signIn());
  families.push(connection.family());

  expect(families[1]).toBe("");
  expect(new Set(families).size).toBe(3);
});

test("never sends a request under another family than the one it was made under", async () => {
  const { server, session, request } = await begin();
  const family = session.connect({ origins: [server.origin] }).family();

  await session.signIn(server.signIn());

  await expect(request("/me", { family })).rejects.toThrow(SignedOutError);
  expect(ledger(server.log)).toMatchObject({ signIns: 2, requests: 0 });
});

test("never sends a request whose session ended while its scheme made the fields", async () => {
  const made = createGate();
  const fields: Scheme["fields"] = ({ accessToken }) =>
    made.pass().then(() => ({ authorization: `Bearer ${accessToken}` }));
  const { server, session, request } = await begin({ scheme: { ...bearer(), fields } });

  const answer = request("/me");
  await session.signIn(server.signIn());
  made.open();

  await expect(answer).rejects.toThrow(SignedOutError);
  expect(ledger(server.log)).toMatchObject({ signIns: 2, requests: 0 });
});

test("does not hold a request that was made while signed out, whoever's token is stale", async () => {
  const { clock, server, session, request } = await begin();
  await session.signIn(server.signIn({ expiresIn: 60 }));
  clock.jump(60_000);

  await request("/me", { family: "" });

  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1, refusals: 1 });
});

test("sends a request that was made while signed out without a token, whoever has signed in since", async () => {
  const { server, request } = await begin();

  const answer = await request("/me", { family: "" });

  expect(answer.status).toBe(401);
  expect(story(server.log)).toStrictEqual(["signIn: a0 r0", "→ GET /me", "← 401 GET /me"]);
});
