import { attachSession } from "@freshtoken/axios";
import { sessionFetch } from "@freshtoken/fetch";
import { sessionHooks } from "@freshtoken/ky";
import { ledger } from "@freshtoken/testing";
import axios from "axios";
import ky from "ky";
import { expect, test } from "vitest";
import { stepUpChallenge } from "../src/index.ts";
import { real, visit } from "./loopback.ts";
import { begin, scripted, unsigned } from "./support.ts";

const demand =
  'Bearer error="insufficient_user_authentication", error_description="A stronger one, please", acr_values="gold silver", max_age="300"';
const read = { acr_values: "gold silver", max_age: "300" };

function refusedWith(field: string | null, status = 401): Response {
  return new Response(null, { status, headers: field === null ? {} : { "www-authenticate": field } });
}

test.each<[string, string, object]>([
  ["whole", demand, read],
  ["of DPoP", `DPoP algs="ES256", ${demand.slice(7)}`, read],
  ["among others", `Basic realm="a, b=c", ${demand}, Negotiate`, read],
  [
    "before another's",
    'Bearer error="insufficient_user_authentication", DPoP error="invalid_token", acr_values="gold"',
    {},
  ],
  ["unquoted", "Bearer error=insufficient_user_authentication,max_age=0", { max_age: "0" }],
  [
    "in capitals, with spaces",
    'BEARER Error = "insufficient_user_authentication" , ACR_Values = "gold"',
    { acr_values: "gold" },
  ],
  ["that quotes another", 'Bearer realm="\\"error=\\"x", error="insufficient_user_authentication"', {}],
  [
    "with its error in capitals",
    'Bearer error="Insufficient_User_Authentication", acr_values="gold"',
    { acr_values: "gold" },
  ],
  [
    "whose age has no end",
    `Bearer error="insufficient_user_authentication", max_age="${"9".repeat(400)}"`,
    {},
  ],
  ["that names nothing", 'Bearer error="insufficient_user_authentication", acr_values=" "', {}],
  ["whose age is none", 'Bearer error="insufficient_user_authentication", max_age="-1"', {}],
])("reads the challenge of a stronger sign-in: %s", (_, field, challenge) => {
  expect(stepUpChallenge(refusedWith(field))).toStrictEqual(challenge);
});

test.each<[string, unknown]>([
  ["no challenge", refusedWith(null)],
  ["another error", refusedWith('Bearer error="invalid_token", acr_values="gold"')],
  ["the words elsewhere", refusedWith('Bearer realm="error=insufficient_user_authentication"')],
  [
    "the error in a quoted text",
    refusedWith('Bearer realm="\\", error=insufficient_user_authentication, \\""'),
  ],
  [
    "the error in the text of an extended parameter",
    refusedWith('Bearer title*="x, error=insufficient_user_authentication, acr_values=evil"'),
  ],
  ["another status", refusedWith(demand, 403)],
  ["no answer", new TypeError("fetch failed")],
  ["nothing", undefined],
])("reads no demand where there is none: %s", (_, answer) => {
  expect(stepUpChallenge(answer)).toBe(undefined);
});

test("looks at a long field once", () => {
  const field = `Bearer ${"x".repeat(1e6)} ${'a="\\"'.repeat(1e5)}`;

  expect(stepUpChallenge(refusedWith(field))).toBe(undefined);
});

test("reaches the caller as a typed challenge through fetch, axios and ky, and never refreshes", async () => {
  const { server, oauth } = scripted();
  const { session, events } = await begin({ server, oauth }, { origins: [server.origin] });
  server.always("/payments", { status: 401, headers: { "www-authenticate": demand } });
  const url = `${server.origin}/payments`;
  const { fetch } = server;
  const instance = axios.create({ adapter: "fetch", env: { fetch } });
  attachSession(instance, session, { origins: [server.origin] });

  const answers = [
    await sessionFetch(session, { fetch })(url),
    await instance.get(url).catch((error: unknown) => error),
    await ky(url, { fetch, hooks: sessionHooks(session), retry: 0 }).catch((error: unknown) => error),
  ];

  expect(answers.map(stepUpChallenge)).toStrictEqual([read, read, read]);
  expect(events).toStrictEqual([]);
  expect(ledger(server.log)).toMatchObject({ requests: 3, refusals: 3, attempts: 0 });
});

test("asks for the sign-in that a challenge demands, and keeps its age until it ends", async () => {
  const { oauth } = scripted({ scope: "openid" });

  const { url, pending } = await oauth.authorizationUrl({ parameters: read });
  const plain = await oauth.authorizationUrl({ parameters: {} });

  const { searchParams } = new URL(url);
  expect([searchParams.get("acr_values"), searchParams.get("max_age")]).toStrictEqual(["gold silver", "300"]);
  expect(pending).toMatchObject({ maxAge: 300 });
  expect(plain.url).not.toMatch(/acr_values|max_age/);
  expect(plain.pending).not.toHaveProperty("maxAge");
});

test("signs in anew at a real authorization server as recently as a challenge demands", async () => {
  const { server, oauth } = await real();

  const { callback, pending } = await visit(oauth, server, { parameters: { max_age: "60" } });
  const { tokens } = await oauth.exchange(callback, pending);

  const [, claims = ""] = String(tokens.id_token).split(".");
  const { auth_time } = JSON.parse(Buffer.from(claims, "base64url").toString());
  expect(auth_time).toBeGreaterThan(Date.now() / 1000 - 60);
});

test.each([
  ["is older than a challenge demands", "openid", 3_600, /too much time has elapsed/],
  [
    "is older than a challenge demands, though none was asked for",
    "read",
    3_600,
    /too much time has elapsed/,
  ],
  ["does not say how old it is", "openid", undefined, /"auth_time"/],
])("refuses an ID token whose sign-in %s", async (_, scope, age, message) => {
  const { server, oauth } = scripted({ scope });
  const { pending } = await oauth.authorizationUrl({ parameters: { max_age: "300" } });
  const { issuer: iss, nonce } = pending;
  const auth_time = age && Math.floor(Date.now() / 1_000) - age;
  const id_token = unsigned({ iss, aud: "web", nonce, auth_time });
  server.next("token", { json: { access_token: "a0", token_type: "Bearer", id_token } });

  const refused = oauth.exchange(`?code=c0&state=${pending.state}`, pending);

  await expect(refused).rejects.toMatchObject({
    code: "ERR_TOKEN_RESPONSE_INVALID",
    cause: { message: expect.stringMatching(message) },
  });
});

test("needs no ID token for the age of a sign-in where none is asked for", async () => {
  const { server, oauth } = scripted({ scope: "read" });
  const { pending } = await oauth.authorizationUrl({ parameters: { max_age: "300" } });
  server.next("token", { json: { access_token: "a0", token_type: "Bearer" } });

  const { tokens } = await oauth.exchange(`?code=c0&state=${pending.state}`, pending);

  expect(tokens).toHaveProperty("access_token", "a0");
});

test.each(["5m", "", "-1", "1.5", "9".repeat(400)])(
  "refuses %j as the age of a sign-in, before the user is sent away",
  async (max_age) => {
    const { oauth } = scripted({ scope: "openid" });

    await expect(oauth.authorizationUrl({ parameters: { max_age } })).rejects.toThrow(
      new TypeError("`max_age` is a number of seconds"),
    );
  },
);
