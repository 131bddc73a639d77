import { entriesAt, ledger } from "@freshtoken/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { createServers } from "../src/dpop/servers.ts";
import { begin, bound, dateIn, digestOf, noncesAt, proofsAt } from "./bound.ts";
import { account } from "./support.ts";

const CHALLENGE = 'DPoP error="use_dpop_nonce", error_description="a \\"nonce\\", error=invalid_token"';
const HIDDEN = "";

const wantsNonce = (nonce: string, challenge = CHALLENGE) => ({
  status: 401,
  headers: { "dpop-nonce": nonce, ...(challenge && { "www-authenticate": challenge }) },
});
const refusesToken = (nonce: string, challenge = 'DPoP error="invalid_token"') =>
  wantsNonce(nonce, challenge);
const refusesProof = (date: string) => ({
  status: 401,
  headers: { date, "www-authenticate": 'DPoP algs="ES256", error="invalid_dpop_proof"' },
});

test("sends the token with a proof for this method, address and token", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });

  await send(`${server.origin}/orders?page=2#top`, { method: "PATCH" });

  expect(entriesAt(server.log, "resource").at(-1)?.headers.authorization).toBe("DPoP a0");
  expect(proofsAt(server, "resource").map(({ claims }) => claims)).toStrictEqual([
    {
      htm: "PATCH",
      htu: `${server.origin}/orders`,
      ath: digestOf("a0"),
      iat: expect.any(Number),
      jti: expect.any(String),
    },
  ]);
});

test("makes a new proof for a replay, with the new token's digest", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.expire();

  expect((await send(`${server.origin}/me`)).status).toBe(200);

  const claims = proofsAt(server, "resource").map((proof) => proof.claims);
  expect(claims.map(({ ath }) => ath)).toStrictEqual([digestOf("a0"), digestOf("a1")]);
  expect(new Set(claims.map(({ jti }) => jti)).size).toBe(2);
});

test("answers use_dpop_nonce with the same token, without a refresh", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", wantsNonce("n1"));

  expect((await send(`${server.origin}/me`)).status).toBe(200);

  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, refusals: 1 });
});

test("takes a new nonce beside a hidden challenge for one, where none was sent", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", wantsNonce("n1", HIDDEN));

  expect((await send(`${server.origin}/me`)).status).toBe(200);

  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, refusals: 1 });
});

test("refreshes where a request that had a nonce is refused behind a hidden challenge", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", { json: {}, headers: { "dpop-nonce": "n1" } }, refusesToken("n2", HIDDEN));

  await send(`${server.origin}/me`);
  expect((await send(`${server.origin}/me`)).status).toBe(200);

  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1", "n2"]);
  expect(ledger(server.log)).toMatchObject({ refreshes: 1, refusals: 1 });
});

test.each([
  ["the token first", [refusesToken("n1"), {}]],
  ["the nonce first", [wantsNonce("n1"), refusesToken("n2"), {}]],
  ["the token first, then the nonce", [refusesToken("n1"), wantsNonce("n2"), {}]],
  ["both behind a hidden challenge", [wantsNonce("n1", HIDDEN), refusesToken("n2", HIDDEN), {}]],
])(
  "refreshes and replays at a server that has a new nonce in every answer, and refuses %s",
  async (_, answers) => {
    const { server, oauth } = bound();
    const { send } = await begin({ server, oauth });
    server.next("/me", ...answers);

    expect((await send(`${server.origin}/me`)).status).toBe(200);

    const nonces = [undefined, "n1", "n2"].slice(0, answers.length);
    expect(noncesAt(server, "resource")).toStrictEqual(nonces);
    expect(proofsAt(server, "resource").at(-1)?.claims.ath).toBe(digestOf("a1"));
    expect(ledger(server.log)).toMatchObject({ refreshes: 1, reuses: 0, answers: 2 });
  },
);

test("replays once for a nonce, then gives the refusal to its caller without a refresh", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", wantsNonce("n1"), wantsNonce("n2"));

  const refused = await send(`${server.origin}/me`);
  const taken = await send(`${server.origin}/me`);

  expect([refused.status, taken.status]).toStrictEqual([401, 200]);
  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1", "n2"]);
  expect(ledger(server.log).attempts).toBe(0);
});

test("adopts the nonce of every answer", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  const withNonce = (nonce: string) => ({ json: {}, headers: { "dpop-nonce": nonce } });
  server.next("/me", withNonce("n1"), { ...withNonce("n2"), status: 404 }, {}, withNonce("n3"), {});

  for (let request = 0; request < 5; request += 1) await send(`${server.origin}/me`);

  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1", "n2", "n2", "n3"]);
});

test.each([
  ["two origins", "https://api.test"],
  ["one origin", "https://server.test"],
])("keeps the nonces of the authorization server and the API apart, at %s", async (_, api) => {
  const { server, oauth } = bound();
  const { session, send } = await begin({ server, oauth }, { origins: [api] });
  server.next("/me", wantsNonce("n1"));
  server.next("token", { error: "use_dpop_nonce", headers: { "dpop-nonce": "m1" } });

  await send(`${api}/me`);
  await session.refresh();
  await send(`${api}/me`);

  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1", "n1"]);
  expect(noncesAt(server, "token")).toStrictEqual([undefined, "m1"]);
});

test("keeps the nonces of two APIs apart", async () => {
  const { server, oauth } = bound();
  const origins = ["https://one.test", "https://two.test"];
  const { send } = await begin({ server, oauth }, { origins });
  server.next("/me", wantsNonce("n1"), {}, wantsNonce("n2"));

  for (const origin of [...origins, ...origins]) await send(`${origin}/me`);

  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1", undefined, "n2", "n1", "n2"]);
});

test("takes neither a nonce nor a complaint from where a redirect led", async () => {
  const { server, oauth } = bound();
  const { scheme } = oauth.session();
  const request = { method: "GET", url: `${server.origin}/me` };
  const fields: Record<string, string> = { "dpop-nonce": "n1", "www-authenticate": CHALLENGE };
  const field = (name: string) => fields[name] ?? null;
  const elsewhere = { status: 401, url: "https://elsewhere.test/", field, response: undefined };
  await scheme?.fields({ accessToken: "a0" }, request);

  const urls = [elsewhere.url, "http://[", undefined];
  const asked = urls.map((url) => scheme?.answered?.({ ...elsewhere, url }, request));

  expect(asked).toStrictEqual([undefined, undefined, "replay"]);
});

test("takes the server's clock where a proof is refused, and replays", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", refusesProof(dateIn(-3_600)));

  expect((await send(`${server.origin}/me`)).status).toBe(200);

  const [wrong = 0, right = 0] = proofsAt(server, "resource").map(({ claims }) => claims.iat);
  expect(Math.round((right - wrong) / 60)).toBe(-60);
  expect(ledger(server.log).attempts).toBe(0);
});

const isOff = ({ iat }: { iat: number }) => Math.abs(iat - Date.now() / 1_000) > 60;

test.each([
  ["where nothing was refused", { json: {}, headers: { date: dateIn(3_600) } }],
  [
    "where a nonce is asked for",
    { status: 401, headers: { ...wantsNonce("n1").headers, date: dateIn(3_600) } },
  ],
  ["by more than a day", refusesProof(dateIn(90_000))],
  ["for a Date that is none", refusesProof("yesterday")],
])("leaves its clock alone %s", async (_, answer) => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", answer);

  await send(`${server.origin}/me`);
  await send(`${server.origin}/me`);

  expect(proofsAt(server, "resource").some(({ claims }) => isOff(claims))).toBe(false);
});

test("gives up a clock with which a proof is refused too", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", refusesProof(dateIn(-3_600)), refusesProof(dateIn(-3_600)));

  const statuses = [];
  for (let request = 0; request < 3; request += 1) statuses.push((await send(`${server.origin}/me`)).status);

  expect(statuses).toStrictEqual([401, 200, 200]);
  expect(proofsAt(server, "resource").map(({ claims }) => isOff(claims))).toStrictEqual([
    false,
    true,
    false,
    false,
  ]);
});

test("answers each of many demands with the nonce that came with it, where a nonce is good once", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  const good = new Set<string | undefined>();
  server.always("/me", () => {
    const nonce = `n${proofsAt(server, "resource").length}`;
    good.add(nonce);
    const shown = noncesAt(server, "resource").at(-1);
    return good.delete(shown) ? { json: {}, headers: { "dpop-nonce": nonce } } : wantsNonce(nonce);
  });

  const answers = await Promise.all(Array.from({ length: 10 }, () => send(`${server.origin}/me`)));

  expect(answers.map(({ status }) => status)).toStrictEqual(Array(10).fill(200));
  expect(ledger(server.log).attempts).toBe(0);
});

test("keeps its nonce where an answer has an empty one", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  const withNonce = (nonce: string) => ({ json: {}, headers: { "dpop-nonce": nonce } });
  server.next("/me", withNonce("n1"), withNonce(""));

  for (let request = 0; request < 3; request += 1) await send(`${server.origin}/me`);

  expect(noncesAt(server, "resource")).toStrictEqual([undefined, "n1", "n1"]);
});

test.each([
  ["purge", "purge"],
  ["patch", "patch"],
  ["post", "POST"],
])("shows the method %s as fetch sends it: %s", async (method, htm) => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });

  await send(`${server.origin}/me`, { method });

  expect(new Request(server.origin, { method }).method).toBe(htm);
  expect(proofsAt(server, "resource").map(({ claims }) => claims.htm)).toStrictEqual([htm]);
});

test("gives a second refused proof to its caller, without a refresh", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", refusesProof(dateIn(-3_600)), refusesProof(dateIn(3_600)));

  expect((await send(`${server.origin}/me`)).status).toBe(401);

  expect(ledger(server.log)).toMatchObject({ attempts: 0, refusals: 2 });
});

test("says what to expose where a nonce is asked for and hidden from a request", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  server.next("/me", { refuse: CHALLENGE });

  await expect(send(`${server.origin}/me`)).rejects.toMatchObject({
    name: "OAuthError",
    code: "ERR_DPOP_NONCE_UNREADABLE",
    status: 401,
  });

  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1, requests: 1, refusals: 1 }));
});

test("replays with a nonce that another request has brought meanwhile", async () => {
  const { server, oauth } = bound();
  const { send } = await begin({ server, oauth });
  const gate = server.gate("/slow", "answer");
  server.next("/slow", { refuse: CHALLENGE });
  server.next("/me", { json: {}, headers: { "dpop-nonce": "n1" } });

  const slow = send(`${server.origin}/slow`);
  await gate.reached(1);
  await send(`${server.origin}/me`);
  gate.open();

  expect((await slow).status).toBe(200);
  expect(noncesAt(server, "resource")).toStrictEqual([undefined, undefined, "n1"]);
});

test.each([
  ["where the page's <base> says", { baseURI: "https://server.test/app/v2/" }, "/app/me"],
  ["by the address of a worker, which has none", undefined, "/orders/me"],
])("signs a relative address as fetch resolves it: %s", async (_, document, path) => {
  const { server, oauth } = bound();
  const { scheme } = oauth.session();
  vi.stubGlobal("location", { href: `${server.origin}/orders/5/` });
  vi.stubGlobal("document", document);
  onTestFinished(() => void vi.unstubAllGlobals());

  const { dpop = "" } =
    (await scheme?.fields({ accessToken: "a0" }, { method: "GET", url: "../me?x" })) ?? {};

  const { htu } = JSON.parse(Buffer.from(dpop.split(".")[1] ?? "", "base64url").toString());
  expect(htu).toBe(server.origin + path);
});

test("remembers what the hundred servers want that were asked last", () => {
  const servers = createServers();

  for (let server = 0; server <= 100; server += 1) {
    servers.adopt(`https://${server}.test`, { nonce: `n${server}`, ahead: 0 });
    servers.adopt("https://0.test", { nonce: "n0", ahead: 0 });
  }

  const known = [0, 1, 2, 100].map((server) => servers.of(`https://${server}.test`).nonce);
  expect(known).toStrictEqual(["n0", undefined, "n2", "n100"]);
});
