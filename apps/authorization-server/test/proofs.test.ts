import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { createApi } from "../src/api.ts";
import { listen } from "../src/listener.ts";
import { createNonces, type Nonces } from "../src/nonces.ts";
import { keepProofs } from "../src/proofs.ts";

const { privateKey, publicKey } = await generateKeyPair("ES256");
const another = await generateKeyPair("ES256");
const jwk = await exportJWK(publicKey);
const jkt = await calculateJwkThumbprint(jwk);
const digest = createHash("sha256").update("a0").digest("base64url");
const now = Math.floor(Date.now() / 1_000);

/** An API that knows two tokens of alice: a0 is bound to our key, b0 to none. */
async function started(nonces?: Nonces) {
  const { proofs, note } = keepProofs();
  const { server, origin, close } = await listen(0, "port");
  onTestFinished(close);
  const active: Record<string, object> = { a0: { account: "alice", jkt }, b0: { account: "alice" } };
  const introspect = async (token: string) => (active[token] as { account: string }) ?? null;
  server.on("request", createApi(introspect, { nonces, note }));

  async function call(authorization: string, proof?: string) {
    const headers = { authorization, ...(proof !== undefined && { dpop: proof }) };
    const response = await fetch(`${origin}/me?page=2`, { headers });
    await response.text();
    const fields = ["www-authenticate", "dpop-nonce"].map((name) => response.headers.get(name));
    return { status: response.status, challenge: fields[0], nonce: fields[1] };
  }

  function prove(claims: object = {}, { typ = "dpop+jwt", key = privateKey, shown = jwk }: Signing = {}) {
    const good = { htm: "GET", htu: `${origin}/me`, ath: digest, iat: now, jti: randomUUID() };
    const header = { alg: "ES256", typ, jwk: shown };
    return new SignJWT({ ...good, ...claims }).setProtectedHeader(header).sign(key);
  }

  return { call, prove, proofs };
}

interface Signing {
  readonly typ?: string;
  readonly key?: CryptoKey;
  readonly shown?: typeof jwk;
}

test("takes a bound token with a proof of its key", async () => {
  const { call, prove } = await started();

  expect(await call("DPoP a0", await prove())).toStrictEqual({ status: 200, challenge: null, nonce: null });
});

test.each<[string, object, Signing?]>([
  ["for another method", { htm: "POST" }],
  ["for another address", { htu: "http://127.0.0.1/other" }],
  ["with a query in its address", { htu: "http://127.0.0.1/me?page=2" }],
  ["for another token", { ath: createHash("sha256").update("a1").digest("base64url") }],
  ["for no token", { ath: undefined }],
  ["from long ago", { iat: now - 120 }],
  ["from far ahead", { iat: now + 120 }],
  ["without an identifier", { jti: undefined }],
  ["of another type", {}, { typ: "JWT" }],
  ["signed with another key than it shows", {}, { key: another.privateKey }],
])("refuses a proof %s", async (_, claims, signing) => {
  const { call, prove } = await started();

  const refused = await call("DPoP a0", await prove(claims, signing));

  expect(refused).toMatchObject({ status: 401, challenge: 'DPoP error="invalid_dpop_proof"' });
});

test("refuses a proof that it has seen before", async () => {
  const { call, prove } = await started();
  const proof = await prove();

  expect([await call("DPoP a0", proof), await call("DPoP a0", proof)]).toMatchObject([
    { status: 200 },
    { status: 401, challenge: 'DPoP error="invalid_dpop_proof"' },
  ]);
});

test.each(["not.a.proof", ""])("refuses %j in the place of a proof", async (proof) => {
  const { call, proofs } = await started();

  expect(await call("DPoP a0", proof)).toMatchObject({ challenge: 'DPoP error="invalid_dpop_proof"' });
  expect(proofs).toStrictEqual([{ at: "api", jti: "", status: 401 }]);
});

test.each([
  ["a bound token without a proof", "Bearer a0", false],
  ["an unbound token as a bound one", "DPoP b0", true],
  ["an unknown token", "DPoP c0", true],
])("refuses %s", async (_, authorization, isProven) => {
  const { call, prove } = await started();
  const [scheme, token = ""] = authorization.split(" ");
  const ath = createHash("sha256").update(token).digest("base64url");

  const refused = await call(authorization, isProven ? await prove({ ath }) : undefined);

  expect(refused).toMatchObject({ status: 401, challenge: `${scheme} error="invalid_token"` });
});

test("refuses a bound token with a good proof of another key", async () => {
  const { call, prove } = await started();
  const shown = await exportJWK(another.publicKey);

  const refused = await call("DPoP a0", await prove({}, { key: another.privateKey, shown }));

  expect(refused).toMatchObject({ status: 401, challenge: 'DPoP error="invalid_token"' });
});

test("wants one of its last nonces, has a new one in every answer, and lets the client's clock be", async () => {
  const { call, prove } = await started(createNonces(2));
  const wanted = { status: 401, challenge: 'DPoP error="use_dpop_nonce"', nonce: expect.any(String) };

  const first = await call("DPoP a0", await prove());
  const nonce = first.nonce ?? undefined;
  const taken = await call("DPoP a0", await prove({ nonce, iat: now - 3_600 }));
  const late = await call("DPoP a0", await prove({ nonce }));

  expect([first, taken, late]).toStrictEqual([
    wanted,
    { status: 200, challenge: null, nonce: expect.any(String) },
    wanted,
  ]);
  expect(new Set([first, taken, late].map((answer) => answer.nonce)).size).toBe(3);
});
