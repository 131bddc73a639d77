import { createSession } from "@freshtoken/core";
import { createClock } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createOAuth, type OAuth } from "../src/index.ts";
import { real, signedIn, visit } from "./loopback.ts";
import { plain } from "./plain-server.ts";
import { outcomeOf } from "./support.ts";

/** One of the two servers, as far as bad input knows it. */
interface Party {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly oauth: OAuth;
  /** How many requests reached the token endpoint. */
  asked(): number;
}

const servers: readonly (readonly [string, () => Promise<Party>])[] = [
  [
    "oidc-provider",
    async () => {
      let asked = 0;
      const counting: typeof fetch = (input, init) => {
        if (init?.method === "POST") asked += 1;
        return fetch(input, init);
      };
      const { server, oauth } = await real({ fetch: counting });
      return { ...server, oauth, asked: () => asked };
    },
  ],
  [
    "@node-oauth/oauth2-server",
    async () => {
      const { server, oauth } = await plain();
      const { origin: issuer, redirectUri, log } = server;
      return { issuer, redirectUri, clientId: "plain", oauth, asked: () => log.length };
    },
  ],
];

async function sessionOf({ oauth, redirectUri }: Party) {
  const session = createSession({ ...oauth.session(), clock: createClock(), refreshAttempts: 1 });
  await session.signIn(await signedIn(oauth, { redirectUri }));
  return session;
}

test.each(servers)(
  "tells an issuer by another name from %s itself, which is asked for no token",
  async (_, start) => {
    const { issuer, asked } = await start();
    const elsewhere = issuer.replace("127.0.0.1", "localhost");
    const byName = createOAuth({ issuer: elsewhere, clientId: "web" });
    const session = createSession({ ...byName.session(), clock: createClock(), refreshAttempts: 1 });
    await session.signIn({ access_token: "a0", refresh_token: "r0" });

    const refused = [await outcomeOf(byName.authorizationUrl()), await outcomeOf(session.refresh())];

    const mismatch = { name: "OAuthError", code: "ERR_ISSUER_MISMATCH" };
    expect(refused).toMatchObject([mismatch, { code: "ERR_REFRESH_FAILED", cause: mismatch }]);
    expect(String(refused[0])).toBe(
      `OAuthError: ${elsewhere} says it is ${issuer}. Try that, or give \`server\` (invalid_client_metadata)`,
    );
    expect([asked(), session.state.status]).toStrictEqual([0, "signedIn"]);
  },
);

test.each(servers)("tells a path of %s where no issuer is from an issuer", async (_, start) => {
  const { issuer } = await start();

  const refused = await outcomeOf(
    createOAuth({ issuer: `${issuer}/elsewhere`, clientId: "web" }).authorizationUrl(),
  );

  expect(refused).toMatchObject({ code: "ERR_DISCOVERY_FAILED", status: 404 });
  expect(String(refused)).toContain("Try again, or give `server`");
});

test.each(servers)("ends neither of two sign-ins at %s with the callback of the other", async (_, start) => {
  const party = await start();
  const { oauth, asked } = party;
  const session = await sessionOf(party);
  const [one, other] = [await visit(oauth, party), await visit(oauth, party)];
  const before = asked();

  const refused = [
    await outcomeOf(oauth.exchange(one.callback, other.pending)),
    await outcomeOf(oauth.exchange(other.callback, one.pending)),
  ];

  const invalid = { name: "OAuthError", code: "ERR_CALLBACK_INVALID" };
  expect(refused).toMatchObject([invalid, invalid]);
  expect(asked()).toBe(before);
  await session.refresh();
  expect(await oauth.exchange(one.callback, one.pending)).toHaveProperty("tokens");
});

test.each(servers)("refuses a code of %s that comes again, with what to do", async (_, start) => {
  const party = await start();
  const { callback, pending } = await visit(party.oauth, party);
  await party.oauth.exchange(callback, pending);

  const refused = await outcomeOf(party.oauth.exchange(callback, pending));

  expect(refused).toMatchObject({ code: "ERR_TOKEN_REQUEST_FAILED", error: "invalid_grant", status: 400 });
  expect(String(refused)).toContain("Begin a new sign-in");
});

test.each(servers)(
  "harms no session at %s when its page is loaded again with the code in the address",
  async (_, start) => {
    const party = await start();
    const { callback, pending } = await visit(party.oauth, party);
    const session = createSession({ ...party.oauth.session(), clock: createClock(), refreshAttempts: 1 });
    await session.signIn((await party.oauth.exchange(callback, pending)).tokens);
    const before = party.asked();

    // What was pending is gone by then.
    const refused = await outcomeOf(party.oauth.exchange(callback, JSON.parse("null")));

    expect(refused).toMatchObject({ code: "ERR_CALLBACK_INVALID" });
    expect(party.asked()).toBe(before);
    await session.refresh();
  },
);

test.each(servers)(
  "refuses what was pending at %s with another code verifier or redirect URI",
  async (_, start) => {
    const party = await start();
    const session = await sessionOf(party);
    const [one, other] = [await visit(party.oauth, party), await visit(party.oauth, party)];
    const elsewhere = "http://127.0.0.1/elsewhere";

    const refused = [
      await outcomeOf(party.oauth.exchange(one.callback, { ...one.pending, codeVerifier: "v".repeat(43) })),
      await outcomeOf(party.oauth.exchange(other.callback, { ...other.pending, redirectUri: elsewhere })),
    ];

    const failed = {
      code: "ERR_TOKEN_REQUEST_FAILED",
      status: 400,
      error: expect.stringMatching(/^invalid_/),
    };
    expect(refused).toMatchObject([failed, failed]);
    await session.refresh();
  },
);

test("lets neither server end what is pending at the other", async () => {
  const [one, other] = await Promise.all(servers.map(([, start]) => start()));
  if (!one || !other) throw new Error("there are two");
  const session = await sessionOf(other);
  const [at, away] = [await visit(one.oauth, one), await visit(other.oauth, other)];
  const before = [one.asked(), other.asked()];
  const mixed = new URL(away.callback);
  mixed.searchParams.set("iss", one.issuer);

  const refused = [
    await outcomeOf(other.oauth.exchange(at.callback, at.pending)),
    await outcomeOf(other.oauth.exchange(at.callback, away.pending)),
    await outcomeOf(other.oauth.exchange(mixed, away.pending)),
  ];

  const invalid = { code: "ERR_CALLBACK_INVALID" };
  expect(refused).toMatchObject([invalid, invalid, invalid]);
  expect([one.asked(), other.asked()]).toStrictEqual(before);
  await session.refresh();
});

test.each([
  ["is missing", undefined],
  ["is plain http elsewhere", "http://evil.test/token"],
  ["is no URL", "token"],
])(
  "asks nobody for a token where the token endpoint in a real server's metadata %s",
  async (_, token_endpoint) => {
    const { server, oauth } = await plain({}, { metadata: { token_endpoint } });
    const session = createSession({ ...oauth.session(), clock: createClock(), refreshAttempts: 1 });
    await session.signIn({ access_token: "a0", refresh_token: "r0" });

    const refused = [await outcomeOf(oauth.authorizationUrl()), await outcomeOf(session.refresh())];

    const invalid = { name: "OAuthError", code: "ERR_METADATA_INVALID" };
    expect(refused).toMatchObject([invalid, { code: "ERR_REFRESH_FAILED", cause: invalid }]);
    expect(String(refused[0])).toContain("Correct that, or give `server`");
    expect([server.log, session.state.status]).toStrictEqual([[], "signedIn"]);
  },
);

const misshapen: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["an access token that is a number", { access_token: 7 }],
  ["an empty access token", { access_token: "" }],
  ["a token type that nobody knows", { token_type: "mac" }],
];

test.each([
  ...misshapen,
  ["no token type", { token_type: undefined }] as const,
  ["a lifetime in words", { expires_in: "soon" }] as const,
])("refuses a sign-in that a real server answers with %s, and says what to do", async (_, fields) => {
  const { server, oauth } = await plain();
  server.say(fields);

  const refused = await outcomeOf(signedIn(oauth, server));

  expect(refused).toMatchObject({ name: "OAuthError", code: "ERR_TOKEN_RESPONSE_INVALID" });
  expect(String(refused)).toContain("Begin a new sign-in");
});

test.each(misshapen)(
  "keeps a session whose refresh a real server answers with %s, and goes on with its newest refresh token",
  async (_, fields) => {
    const { server, oauth } = await plain();
    const tokens = await signedIn(oauth, server);
    const session = createSession({ ...oauth.session(), clock: createClock(), refreshAttempts: 1, tokens });
    server.say(fields);
    const failed = await outcomeOf(session.refresh());
    server.say({});

    await session.refresh();

    expect(failed).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(server.log.map(({ presented, answer }) => [presented, answer])).toStrictEqual([
      [undefined, 200],
      [0, 200],
      [1, 200],
    ]);
  },
);

test.each([
  ["access_denied", { allowed: "false" }],
  ["invalid_scope", { scope: "admin" }],
])("tells the user's application that a real server refused a sign-in: %s", async (error, parameters) => {
  const { server, oauth } = await plain();
  const { url, pending } = await oauth.authorizationUrl({ parameters });
  const { headers } = await fetch(url, { redirect: "manual" });

  const refused = await outcomeOf(oauth.exchange(headers.get("location") ?? "", pending));

  expect(refused).toMatchObject({ code: "ERR_AUTHORIZATION_REFUSED", error });
  expect(server.log).toStrictEqual([]);
});
