import { createGate, entriesAt } from "@freshtoken/testing";
import { generateKeyPair } from "oauth4webapi";
import { expect, test } from "vitest";
import { PrivateKeyJwt } from "../src/index.ts";
import { begin, bound, createKeep, dateIn, noncesAt, pair, proofsAt } from "./bound.ts";
import { formsAt } from "./support.ts";

const wantsNonce = (nonce: string) => ({ error: "use_dpop_nonce", headers: { "dpop-nonce": nonce } });
const refusesProof = (date: string) => ({ error: "invalid_dpop_proof", headers: { date } });

test("shows a proof of its own with every refresh, and only the public half of the key", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth });

  await session.refresh();
  await session.refresh();

  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const expected = {
    header: { typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } },
    claims: { htm: "POST", htu: `${server.origin}/token`, iat: expect.any(Number), jti: expect.any(String) },
  };
  expect(proofsAt(server, "token")).toStrictEqual([expected, expected]);
  expect(new Set(proofsAt(server, "token").map(({ claims }) => claims.jti)).size).toBe(2);
});

test.each(["ES256", "Ed25519", "PS256", "RS256"])("signs with a key for %s", async (algorithm) => {
  const { server, oauth } = bound(await generateKeyPair(algorithm));
  const { session } = await begin({ server, oauth });

  await session.refresh();

  expect(proofsAt(server, "token")[0]?.header.alg).toBe(algorithm);
});

test("answers use_dpop_nonce within the attempt, and the refresh token is spent once", async () => {
  const { server, oauth } = bound();
  const { session, events } = await begin({ server, oauth });
  server.next("token", wantsNonce("n1"));

  await session.refresh();

  expect(noncesAt(server, "token")).toStrictEqual([undefined, "n1"]);
  expect(entriesAt(server.log, "token").map(({ presented, outcome }) => [presented, outcome])).toStrictEqual([
    ["r0", "untouched"],
    ["r0", "rotated"],
  ]);
  expect(events).toStrictEqual([
    { type: "refreshStarted", reason: "requested", attempt: 1 },
    { type: "refreshed", by: "us" },
  ]);
});

test("authenticates the client anew with the new proof", async () => {
  const { server, oauth } = bound(pair, { clientAuthentication: PrivateKeyJwt(pair.privateKey) });
  const { session } = await begin({ server, oauth });
  server.next("token", wantsNonce("n1"));

  await session.refresh();

  const assertions = formsAt(server, "token").map((form) =>
    new URLSearchParams(form).get("client_assertion"),
  );
  expect(assertions.filter(Boolean)).toHaveLength(2);
  expect(new Set(assertions).size).toBe(2);
});

test("asks no third time for a nonce: the refresh has failed", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth });
  server.next("token", wantsNonce("n1"), wantsNonce("n2"));

  await expect(session.refresh()).rejects.toMatchObject({
    code: "ERR_REFRESH_FAILED",
    cause: { code: "use_dpop_nonce" },
  });

  expect(session.state.status).toBe("signedIn");
  await session.refresh();
  expect(noncesAt(server, "token")).toStrictEqual([undefined, "n1", "n2"]);
});

test("sends the newest nonce of any answer, also of a success", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth });
  const withNonce = (nonce: string) => ({
    merge: { token_type: "DPoP" },
    alter: ({ body, status, headers }: Response) =>
      new Response(body, { status, headers: { ...Object.fromEntries(headers), "dpop-nonce": nonce } }),
  });
  server.next("token", withNonce("n1"), { status: 503, headers: { "dpop-nonce": "n2" } });

  await session.refresh();
  await session.refresh().catch(() => {});
  await session.refresh();

  expect(noncesAt(server, "token")).toStrictEqual([undefined, "n1", "n2"]);
});

test("takes the server's clock where a proof is refused, and tries once more", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth });
  server.next("token", refusesProof(dateIn(3_600)));

  await session.refresh();
  await session.refresh();

  const [wrong = 0, ...right] = proofsAt(server, "token").map(({ claims }) => claims.iat);
  expect(right.map((iat) => Math.round((iat - wrong) / 60))).toStrictEqual([60, 60]);
});

test("lets a second refused proof surface, and keeps the session", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth }, { refreshAttempts: 3 });
  server.next("token", refusesProof(dateIn(3_600)), refusesProof(dateIn(7_200)));

  await expect(session.refresh()).rejects.toMatchObject({
    code: "ERR_REFRESH_FAILED",
    cause: { code: "invalid_dpop_proof" },
  });

  expect(session.state).toMatchObject({ status: "signedIn", tokens: { refreshToken: "r0" } });
  expect(proofsAt(server, "token")).toHaveLength(2);
});

test("does not try a refused proof again where the answer shows no clock", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth });
  server.next("token", { error: "invalid_dpop_proof" });

  await expect(session.refresh()).rejects.toMatchObject({ cause: { code: "invalid_dpop_proof" } });

  expect(proofsAt(server, "token")).toHaveLength(1);
});

test("refreshes where the token endpoint's Date is wrong and its clock right", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth });
  const date = dateIn(-3_600);
  server.next("token", { error: "use_dpop_nonce", headers: { date, "dpop-nonce": "n1" } });
  server.next("token", { merge: { token_type: "DPoP" } }, refusesProof(date), refusesProof(date));

  await session.refresh();
  await session.refresh().catch(() => {});
  await session.refresh();

  const isOff = proofsAt(server, "token").map(({ claims }) => Math.abs(claims.iat - Date.now() / 1_000) > 60);
  expect(isOff).toStrictEqual([false, false, false, true, false]);
});

test("answers a demand with the nonce that came with it, whatever came meanwhile", async () => {
  const { server, oauth } = bound();
  const grant = oauth.clientCredentials();
  const { session } = await begin({ server, oauth });
  const json = { access_token: "s0", token_type: "DPoP" };
  const gate = server.gate("token", "answer");
  server.next("token", wantsNonce("n1"), wantsNonce("n2"));
  server.always("token", { json });
  const { signal } = new AbortController();

  const asked = [session.refresh(), grant.refresh({ refreshToken: "", tokens: {}, signal, attempt: 1 })];
  await gate.reached(2);
  gate.open();
  await Promise.all(asked);

  expect(noncesAt(server, "token").sort()).toStrictEqual(["n1", "n2", undefined, undefined]);
});

test("answers a complaint about the nonce and one about the clock", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth });
  server.next("token", wantsNonce("n1"), refusesProof(dateIn(-3_600)));

  await session.refresh();

  expect(noncesAt(server, "token")).toStrictEqual([undefined, "n1", "n1"]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a1", refreshToken: "r1" } });
});

test("says what to expose where a nonce is asked for and hidden", async () => {
  const { server, oauth } = bound();
  const { session } = await begin({ server, oauth }, { refreshAttempts: 3 });
  server.next("token", { error: "use_dpop_nonce" });

  await expect(session.refresh()).rejects.toMatchObject({
    code: "ERR_REFRESH_FAILED",
    cause: {
      code: "ERR_DPOP_NONCE_UNREADABLE",
      message: expect.stringContaining("Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate"),
    },
  });

  expect(session.state.status).toBe("signedIn");
  expect(proofsAt(server, "token")).toHaveLength(1);
});

test.each([{ token_type: "Bearer" }, { token_type: undefined }])(
  "refuses a refresh that is answered %j, after its refresh token was stored",
  async (merge) => {
    const { server, oauth } = bound();
    const { session, send } = await begin({ server, oauth });
    server.next("token", { merge });

    await expect(session.refresh()).rejects.toThrow("the token type is not DPoP");

    const state = { accessToken: "a0", refreshToken: "r1", tokenType: "DPoP" };
    expect(session.state).toMatchObject({ status: "signedIn", tokens: state });
    await session.refresh();
    await send(`${server.origin}/me`);
    expect(entriesAt(server.log, "token").map(({ presented }) => presented)).toStrictEqual(["r0", "r1"]);
    const sent = entriesAt(server.log, "resource").map(({ headers }) => headers.authorization);
    expect(sent.filter(Boolean)).toStrictEqual(["DPoP a2"]);
  },
);

test("signs a service in with a key, and asks again with it", async () => {
  const { server, oauth } = bound();
  server.always("token", { json: { access_token: "s0", token_type: "DPoP", expires_in: 3600 } });
  const { session } = await begin({ server, oauth }, oauth.clientCredentials());
  server.next("token", wantsNonce("n1"));

  await session.refresh();

  expect(noncesAt(server, "token")).toStrictEqual([undefined, "n1"]);
  expect(formsAt(server, "token")[1]).toContainEqual(["grant_type", "client_credentials"]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "s0", tokenType: "DPoP" } });
});

test("gives a service whose key is gone another one, and new tokens for it", async () => {
  const keep = createKeep(pair);
  const { server, oauth } = bound(keep);
  server.always("token", { json: { access_token: "s0", token_type: "DPoP", expires_in: 3600 } });
  const { session } = await begin({ server, oauth }, oauth.clientCredentials());
  keep.lose();

  await session.refresh();

  expect(keep.asked).toStrictEqual(["create"]);
  expect(session.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "s0" } });
});

test("revokes without a proof, which RFC 7009 does not ask for", async () => {
  const { server, oauth } = bound();
  const { revoke } = oauth.session();
  const revoked = createGate();
  const own = { revoke: (tokens: object) => revoke(tokens).finally(revoked.open) };
  const { session } = await begin({ server, oauth }, own);

  await session.signOut();
  await revoked.pass();

  const [{ presented, headers } = {}] = entriesAt(server.log, "revoke");
  expect([presented, headers?.dpop]).toStrictEqual(["r0", undefined]);
});
