import { createSession, memoryStore } from "@freshtoken/core";
import { createClock, createGate, entriesAt, ledger } from "@freshtoken/testing";
import { DPoP, generateKeyPair } from "oauth4webapi";
import { expect, onTestFinished, test, vi } from "vitest";
import { browserKey, type DPoPOptions, dpop } from "../src/dpop/index.ts";
import { begin, bound, createKeep, pair, proofsAt } from "./bound.ts";
import { account, METADATA, metadataOf, outcomeOf } from "./support.ts";

const lost = { code: "ERR_DPOP_KEY_LOST", message: expect.stringContaining("Let the user sign in again") };

test("makes a key when a sign-in begins, and only looks for it afterwards", async () => {
  const keep = createKeep();
  const { server, oauth } = bound(keep);
  const { session, send } = await begin({ server, oauth });
  const before = [...keep.asked];

  const { pending } = await oauth.authorizationUrl();
  await oauth.exchange(`?code=c0&state=${pending.state}`, pending).catch(() => {});
  await session.refresh();
  await send(`${server.origin}/me`);

  expect(before).toStrictEqual([]);
  expect(keep.asked).toStrictEqual(["create", "load", "load", "load"]);
});

test("binds the authorization code to the key", async () => {
  const { oauth } = bound(createKeep());

  const { url } = await oauth.authorizationUrl({ parameters: { dpop_jkt: "another" } });

  expect(new URL(url).searchParams.getAll("dpop_jkt")).toStrictEqual([
    await DPoP({}, pair).calculateThumbprint(),
  ]);
});

test("exchanges the code with a proof", async () => {
  const { server, oauth } = bound();
  const { pending } = await oauth.authorizationUrl();
  const json = { access_token: "a0", token_type: "DPoP" };
  server.next("token", { error: "use_dpop_nonce", headers: { "dpop-nonce": "n1" } }, { json });

  const { tokens } = await oauth.exchange(`?code=c0&state=${pending.state}`, pending);

  expect(tokens).toStrictEqual({ access_token: "a0", token_type: "dpop" });
  expect(proofsAt(server, "token").map(({ claims }) => claims.nonce)).toStrictEqual([undefined, "n1"]);
});

test.each(["Bearer", "bearer", "Constructor", undefined])(
  "refuses a code's answer of the type %s",
  async (token_type) => {
    const { server, oauth } = bound();
    const { pending } = await oauth.authorizationUrl();
    server.next("token", { json: { access_token: "a0", refresh_token: "r0", token_type } });

    const refused = await outcomeOf(oauth.exchange(`?code=c0&state=${pending.state}`, pending));

    expect(refused).toMatchObject({ name: "OAuthError", code: "ERR_TOKEN_RESPONSE_INVALID" });
  },
);

test("says which algorithms a server takes, before the user is sent there", async () => {
  const keep = createKeep();
  const { server, oauth } = bound(keep);
  server.next(METADATA, {
    json: { ...metadataOf(server), dpop_signing_alg_values_supported: ["Ed25519", "PS256"] },
  });

  const refused = { code: "ERR_DPOP_UNSUPPORTED", message: expect.stringMatching(/ES256.*Ed25519,PS256/) };
  await expect(oauth.authorizationUrl()).rejects.toMatchObject(refused);
});

test("begins at a server that takes the algorithm of the key", async () => {
  const { server, oauth } = bound();
  server.next(METADATA, { json: { ...metadataOf(server), dpop_signing_alg_values_supported: ["ES256"] } });

  await expect(oauth.authorizationUrl()).resolves.toHaveProperty("url");
});

test("ends the session when its key is gone, and says why", async () => {
  const keep = createKeep(pair);
  const { server, oauth } = bound(keep);
  const { session, events } = await begin({ server, oauth });
  keep.lose();

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_REJECTED", cause: lost });

  expect(session.state).toMatchObject({ status: "signedOut", error: { cause: lost } });
  expect(events.at(-1)).toMatchObject({ type: "signedOut", by: "us", error: { cause: lost } });
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1, requests: 1, answers: 1 }));
});

test("rejects a request whose key is gone, and sends nothing", async () => {
  const keep = createKeep(pair);
  const { server, oauth } = bound(keep);
  const { send } = await begin({ server, oauth });
  keep.lose();

  await expect(send(`${server.origin}/me`)).rejects.toMatchObject({ name: "OAuthError", ...lost });

  expect(entriesAt(server.log, "resource")).toStrictEqual([]);
});

test("exchanges no code without the key that it is bound to", async () => {
  const keep = createKeep();
  const { server, oauth } = bound(keep);
  const { pending } = await oauth.authorizationUrl();
  keep.lose();

  await expect(oauth.exchange(`?code=c0&state=${pending.state}`, pending)).rejects.toMatchObject(lost);

  expect(entriesAt(server.log, "token")).toStrictEqual([]);
});

test("keeps the session while the key cannot be read", async () => {
  const keep = createKeep(pair);
  const unreadable = {
    ...keep,
    load: () => Promise.reject(new DOMException("no room", "QuotaExceededError")),
  };
  const { server, oauth } = bound(unreadable);
  const { session, send } = await begin({ server, oauth });

  const unavailable = { code: "ERR_DPOP_KEY_UNAVAILABLE" };
  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED", cause: unavailable });
  await expect(send(`${server.origin}/me`)).rejects.toMatchObject({
    ...unavailable,
    cause: { message: "no room" },
  });

  expect(session.state.status).toBe("signedIn");
  expect(ledger(server.log)).toMatchObject({ attempts: 0 });
});

test("waits 5 s for the key, and then says so", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const gate = createGate();
  const never = () => gate.pass().then(() => pair);
  const { server, oauth } = bound({ load: never, create: never });
  const { send } = await begin({ server, oauth });

  const outcome = outcomeOf(send(`${server.origin}/me`));
  await gate.reached(1);
  vi.advanceTimersByTime(5_000);

  expect(await outcome).toMatchObject({
    code: "ERR_DPOP_KEY_UNAVAILABLE",
    cause: { message: "it took longer than 5000 ms" },
  });
  expect(entriesAt(server.log, "resource")).toStrictEqual([]);
});

test("says of a refresh whose key does not answer that it is the key", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const gate = createGate();
  const never = () => gate.pass().then(() => pair);
  const { oauth } = bound({ load: never, create: never });
  const tokens = { access_token: "a0", refresh_token: "r0", token_type: "DPoP" };
  const session = createSession({ ...oauth.session(), refreshAttempts: 1, tokens });

  const outcome = outcomeOf(session.refresh());
  await gate.reached(1);
  await vi.advanceTimersByTimeAsync(10_000);

  expect(await outcome).toMatchObject({ cause: { code: "ERR_DPOP_KEY_UNAVAILABLE" } });
});

test("reads the browser's database anew after a read that hung", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const open = vi.fn(() => ({}));
  vi.stubGlobal("indexedDB", { open });
  onTestFinished(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const { server, oauth } = bound(browserKey("app"));
  const { send } = await begin({ server, oauth });

  for (const number of [1, 2, 3]) {
    const ended = outcomeOf(send(`${server.origin}/me`));
    await vi.waitFor(() => expect(open).toHaveBeenCalledTimes(number));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await ended).toMatchObject({ code: "ERR_DPOP_KEY_UNAVAILABLE" });
  }
});

const ecdh = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
const jwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const hidden = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);

test.each([
  ["that does not sign", ecdh],
  ["whose public half cannot be shown", { ...pair, publicKey: hidden }],
  ["that is none", {} as CryptoKeyPair],
])("sends nobody to sign in with a key %s, and says so", async (_, key) => {
  const { server, oauth } = bound({ load: async () => key, create: async () => key });
  const { send } = await begin({ server, oauth });

  const unavailable = {
    code: "ERR_DPOP_KEY_UNAVAILABLE",
    cause: { message: "it is not a CryptoKeyPair that can sign, with an extractable public key" },
  };
  await expect(oauth.authorizationUrl()).rejects.toMatchObject(unavailable);
  await expect(send(`${server.origin}/me`)).rejects.toMatchObject(unavailable);

  expect(entriesAt(server.log, "resource").some(({ path }) => path === "/me")).toBe(false);
});

test("leaves no timer behind when the key was found", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { server, oauth } = bound(createKeep(pair));
  const { send } = await begin({ server, oauth });

  await send(`${server.origin}/me`);

  expect(vi.getTimerCount()).toBe(0);
});

test("signs out without the key", async () => {
  const keep = createKeep(pair);
  const { server, oauth } = bound(keep);
  const { session } = await begin({ server, oauth });
  keep.lose();

  await session.signOut();
  await server.when((log) => entriesAt(log, "revoke").some(({ outcome }) => outcome === "revoked"));

  expect(session.state).toStrictEqual({ status: "signedOut" });
});

test("has no key in a browser's database where there is none: it says so, and sends nothing", async () => {
  const { server, oauth } = bound(browserKey("app"));
  const { send } = await begin({ server, oauth });

  const unavailable = { name: "OAuthError", code: "ERR_DPOP_KEY_UNAVAILABLE" };
  await expect(send(`${server.origin}/me`)).rejects.toMatchObject(unavailable);
  await expect(oauth.authorizationUrl()).rejects.toMatchObject(unavailable);

  expect(entriesAt(server.log, "resource").filter(({ path }) => path === "/me")).toStrictEqual([]);
});

test.each([
  [undefined, "undefined"],
  [{}, "undefined"],
  [{ key: "secret" }, "string"],
  [{ key: pair.privateKey }, "object"],
  [{ key: { privateKey: pair.publicKey, publicKey: pair.privateKey } }, "object"],
  [{ key: ecdh }, "object"],
  [{ key: { ...pair, publicKey: hidden } }, "object"],
  [{ key: { load: async () => pair } }, "object"],
])("refuses %j as options", (options, kind) => {
  expect(() => dpop(options as DPoPOptions)).toThrow(
    new TypeError(
      `\`key\` is a CryptoKeyPair that can sign, with an extractable public key, or has load() and create(); not ${kind}`,
    ),
  );
});

test.each([undefined, "", 7, {}])("refuses %j as the name of a key", (name) => {
  expect(() => browserKey(name as string)).toThrow(
    new TypeError(`the name of a key is a text, not ${typeof name}`),
  );
});

test.each(["Bearer", undefined])("takes no session of the type %s from a store", async (tokenType) => {
  const { server, oauth } = bound();
  const store = memoryStore();
  await store.save({
    family: "f",
    generation: 0,
    tokens: { accessToken: "a0", refreshToken: "r0", tokenType },
  });
  const session = createSession({ ...oauth.session(), store, clock: createClock() });

  await session.loaded;

  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect(server.log).toStrictEqual([]);
});

test("signs with the key that is there now", async () => {
  let current = pair;
  const load = async () => current;
  const { server, oauth } = bound({ load, create: load });
  const { session } = await begin({ server, oauth });

  await session.refresh();
  current = await generateKeyPair("ES256");
  await session.refresh();

  const shown = proofsAt(server, "token").map(({ header }) => header.jwk.x);
  const { x } = await crypto.subtle.exportKey("jwk", current.publicKey);
  expect([shown[0] === x, shown[1] === x]).toStrictEqual([false, true]);
});
