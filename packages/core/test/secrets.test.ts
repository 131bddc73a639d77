import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { createSession, type SessionOptions, type SessionRecord, type TokenSet } from "@freshtoken/core";
import { createServer, type Fault, type Server, secretTokens, type TokenNames } from "@freshtoken/testing";
import axios from "axios";
import ky from "ky";
import { expect, test } from "vitest";
import { createSharedStore, type StoreFault } from "./shared-store.ts";
import { clientOf, createClock, refreshAt, type Sending, sessionOn, settled } from "./support.ts";

/** Names tokens that have nothing in common, not even with those of the generation before. */
const opaqueTokens: TokenNames = (...name) => createHash("sha256").update(name.join()).digest("base64url");

const secrets = [secretTokens, opaqueTokens].flatMap((tokens) =>
  [1, 2].flatMap((family) =>
    [0, 1, 2, 3].flatMap((generation) => [
      tokens("access", family, generation),
      tokens("refresh", family, generation),
    ]),
  ),
);
const parts = new Set(secrets.flatMap((secret) => partsOf(secret)));

/** Every piece of 8 characters. */
function partsOf(text: string): string[] {
  return Array.from({ length: Math.max(0, text.length - 7) }, (_, at) => text.slice(at, at + 8));
}

/** What of a token can be seen in a value, at any depth. */
function leaks(value: unknown): string[] {
  const shown = [
    inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
    JSON.stringify(value),
  ];
  return shown.flatMap((text) => partsOf(text ?? "").filter((part) => parts.has(part)));
}

/** How people write `refresh`, each with a client of its own. */
const writers: Record<string, (server: Server) => SessionOptions["refresh"]> = {
  "fetch, which returns the Response": refreshAt,
  "fetch, which throws what it was told": (server) => async (context) => {
    const response = (await refreshAt(server)(context)) as Response;
    if (!response.ok)
      throw new Error(`${context.refreshToken}: ${await response.text()}`, { cause: context });
    return response.json();
  },
  axios: (server) => {
    const client = axios.create({ adapter: "fetch", env: { fetch: server.fetch } as never });
    return async ({ refreshToken, signal }) => {
      const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
      return (await client.post(`${server.origin}/token?hint=${refreshToken}`, body, { signal })).data;
    };
  },
  ky: (server) => {
    const client = ky.create({ fetch: server.fetch, retry: 0 });
    return ({ refreshToken, signal }) => {
      const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
      return client.post(`${server.origin}/token?hint=${refreshToken}`, { body, signal }).json();
    };
  },
};

const quoted = secretTokens("refresh", 1, 0);
const faults: Record<string, Fault> = {
  "is rejected": { error: "invalid_grant" },
  "is rejected with a text that quotes the token": {
    status: 400,
    json: { error: "invalid_grant", error_description: `${quoted} is unknown`, token: quoted.slice(0, 20) },
  },
  "fails with 503": { status: 503, json: { error: `no room for ${quoted}` } },
  "fails with a page that quotes the token": { status: 500, body: `<html>${quoted}</html>` },
  "fails for the client": { error: "invalid_client" },
  "fails by a reset": { reset: "before" },
  "fails by a hang": { hang: "before" },
  "brings text that is no JSON": {
    alter: async (response) => new Response(`tokens: ${await response.text()}`),
  },
  "brings tokens of an unknown type": { merge: { token_type: "MAC" } },
  "brings an access token with a line break": {
    merge: { access_token: `${secretTokens("access", 1, 1)}\n` },
  },
  "brings an access token that is an object": {
    merge: { access_token: { is: secretTokens("access", 1, 1) } },
  },
};

const paths = Object.keys(writers).flatMap((writer) =>
  Object.keys(faults).map((fault) => ({ writer, fault })),
);

test.each(paths)(
  "shows no token when the refresh, written with $writer, $fault",
  async ({ writer, fault }) => {
    const [server, clock] = [createServer({ tokens: secretTokens }), createClock()];
    const { session, events } = sessionOn(server, { clock, refresh: writers[writer]?.(server) as never });
    const api = clientOf(session, server);
    await session.signIn({ ...server.signIn(), expires_in: 60 });
    server.always("token", faults[fault] as Fault);
    server.expire();

    const refused = api("/refused").catch((error) => error);
    await clock.advance(61_000);
    const held = [api("/held"), session.tokens(), session.refresh()].map((call) =>
      call.catch((error) => error),
    );
    await clock.advance(61_000);
    const seen = [await refused, ...(await Promise.all(held)), events];

    expect(events.some(({ type }) => type === "refreshFailed" || type === "signedOut")).toBe(true);
    expect(seen.flatMap(leaks)).toStrictEqual([]);
  },
);

const secretUrl = `/me?access_token=${secretTokens("access", 1, 0)}#${quoted}`;

test.each<[string, Sending, (session: ReturnType<typeof sessionOn>["session"]) => unknown, string]>([
  ["signed out meanwhile", {}, (session) => session.signOut(), "ERR_SIGNED_OUT"],
  ["signed in meanwhile", {}, (session) => session.signIn({ accessToken: "other" }), "ERR_SIGNED_OUT"],
  ["not replayable", { replayable: false }, () => {}, "ERR_NOT_REPLAYABLE"],
])("shows no token in the error or the events of a request that is %s", async (_, sending, change, code) => {
  const server = createServer({ tokens: secretTokens });
  const { session, events } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  server.expire();
  const gate = server.gate("token");
  const failed = clientOf(session, server)(secretUrl, sending).catch((error) => error);
  await gate.reached(1);

  const changed = change(session);
  gate.open();
  await changed;
  const error = await failed;

  expect(error.code).toBe(code);
  expect(error.request).toStrictEqual({ method: "GET", url: "https://server.test/me" });
  expect([error, events].flatMap(leaks)).toStrictEqual([]);
});

test("shows no token in the error of a request that the queue has no room for", async () => {
  const [server, clock] = [createServer({ tokens: secretTokens }), createClock()];
  const { session, events } = sessionOn(server, { clock, maxHeld: 0 });
  await session.signIn({ ...server.signIn(), expires_in: 60 });
  clock.jump(60_000);

  const error = await clientOf(session, server)(secretUrl).catch((error) => error);

  expect(error.code).toBe("ERR_QUEUE_FULL");
  expect([error, events].flatMap(leaks)).toStrictEqual([]);
});

test("sees a token where there is one", async () => {
  const { session } = sessionOn(createServer(), { clock: createClock() });
  await session.signIn({ accessToken: quoted });

  expect(leaks(session.state)).not.toStrictEqual([]);
  expect(leaks(new Error("outer", { cause: new Error(quoted.slice(30, 38)) }))).not.toStrictEqual([]);
});

test("tells of a replay without the query of its URL", async () => {
  const server = createServer({ tokens: secretTokens });
  const { session, events } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  server.expire();

  await clientOf(session, server)(secretUrl);

  expect(events.at(-1)).toStrictEqual({ type: "replayed", method: "GET", url: "https://server.test/me" });
  expect(leaks(events)).toStrictEqual([]);
});

/** A store's own error, which quotes what it was to store or what it holds. */
const quoting =
  (record: () => unknown): StoreFault =>
  () => {
    const shown = JSON.stringify(record());
    return Promise.reject(
      Object.assign(new Error(`cannot do this: ${shown}`), { record: record(), code: shown }),
    );
  };

test.each(["load", "save"] as const)(
  "shows no token when a %s fails with an error that quotes the record",
  async (call) => {
    const [server, shared] = [createServer({ tokens: opaqueTokens }), createSharedStore()];
    let saved: SessionRecord | null = null;
    const store = shared.peer();
    const save: typeof store.save = (record, expected) => {
      saved = record ?? saved;
      return store.save(record, expected);
    };
    const { session, events } = sessionOn(server, { clock: createClock(), store: { ...store, save } });
    await session.signIn(server.signIn());
    shared.next(
      call,
      quoting(() => saved),
    );

    const outcome = await session.refresh().catch((error) => error);
    shared.next(
      call,
      quoting(() => saved),
    );
    await session.signIn(server.signIn());
    shared.hint();
    await settled();

    expect(events.some(({ type }) => type === "storeFailed")).toBe(true);
    expect([events, outcome instanceof Error ? outcome : null].flatMap(leaks)).toStrictEqual([]);
  },
);

test("shows no token when a sign-out cannot be stored, with an error that quotes what was to be removed", async () => {
  const [server, shared] = [createServer({ tokens: opaqueTokens }), createSharedStore()];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next(
    "save",
    quoting(() => shared.held),
  );

  await session.signOut();

  expect(events.map(({ type }) => type)).toStrictEqual(["signedIn", "signedOut", "storeFailed"]);
  expect(leaks(events)).toStrictEqual([]);
});

test("shows no token that was loaded just before it was redeemed", async () => {
  const shared = createSharedStore({ family: "one", generation: 0, tokens: { accessToken: "a0" } });
  const { session, events } = sessionOn(createServer(), {
    clock: createClock(),
    store: shared.peer(),
    refreshAttempts: 1,
    refresh: ({ refreshToken }) => Promise.reject(new Error(`${refreshToken} cannot be redeemed`)),
  });
  await session.loaded;
  shared.held = { family: "one", generation: 0, tokens: { accessToken: "a0", refreshToken: quoted } };

  const error = await session.refresh().catch((error) => error);
  await settled();

  expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: expect.any(Error) });
  expect([error, ...events].flatMap(leaks)).toStrictEqual([]);
});

test("shows no token of an answer that quotes it when it is read", async () => {
  const answer = {
    get access_token(): string {
      throw new TypeError(`${quoted} is not to be read`);
    },
  };
  const { session, events } = sessionOn(createServer(), {
    clock: createClock(),
    refresh: async () => answer,
  });
  await session.signIn({ accessToken: "another", refreshToken: quoted });

  const error = await session.refresh().catch((error) => error);
  await settled();

  expect(error.message).toContain("the token response cannot be used: [token] is not to be read");
  expect([error, ...events].flatMap(leaks)).toStrictEqual([]);
});

test("shows no token of a stored record that is malformed", async () => {
  const tokens = { accessToken: secretTokens("access", 1, 0), refreshToken: 7 } as unknown as TokenSet;
  const store = createSharedStore({ family: "one", generation: 0, tokens }).peer();
  const { session, events } = sessionOn(createServer(), { clock: createClock(), store });

  await session.loaded;

  expect(events.map(({ type }) => type)).toStrictEqual(["storeFailed", "loaded"]);
  expect(leaks(events)).toStrictEqual([]);
});

test.each<[string, object]>([
  ["tokens with a line break", { tokens: { accessToken: `${quoted}\n` } }],
  ["tokens that are a string", { tokens: quoted }],
  ["a store that is a string", { store: quoted }],
  ["a refresh that is a string", { refresh: quoted }],
  ["a leeway that is a string", { leeway: quoted }],
])("shows no token in the TypeError for %s", (_, options) => {
  let error: unknown;
  try {
    createSession({ refresh: async () => null, ...options } as SessionOptions);
  } catch (thrown) {
    error = thrown;
  }

  expect(error).toBeInstanceOf(TypeError);
  expect(leaks(error)).toStrictEqual([]);
});

test("shows no token in the TypeError of a sign-in", async () => {
  const { session } = sessionOn(createServer(), { clock: createClock() });

  const error = await session.signIn({ accessToken: `${quoted}\u0000` }).catch((error) => error);

  expect(error).toBeInstanceOf(TypeError);
  expect(leaks(error)).toStrictEqual([]);
});

test("keeps of a cause its name, message, code, status and stack, and nothing else", async () => {
  const config = { headers: { authorization: `Bearer ${quoted}` } };
  const cause = Object.assign(new Error(`refused ${quoted}`), { code: "E_REFUSED", status: 500, config });
  cause.name = "ClientError";
  const refresh = () => Promise.reject(cause);
  const { session } = sessionOn(createServer(), { clock: createClock(), refresh, refreshAttempts: 1 });
  await session.signIn({ accessToken: "another", refreshToken: quoted });

  const error = await session.refresh().catch((error) => error);

  expect({ ...error.cause, message: error.cause.message }).toStrictEqual({
    name: "ClientError",
    message: "refused [token]",
    code: "E_REFUSED",
    status: 500,
  });
  expect(Object.getOwnPropertyNames(error.cause).sort()).toStrictEqual(
    ["code", "message", "name", "stack", "status"].sort(),
  );
  expect(leaks(error)).toStrictEqual([]);
});

test("shows no token when the exclusive section fails with an error that quotes the record", async () => {
  const [server, shared] = [createServer({ tokens: secretTokens }), createSharedStore()];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next(
    "exclusive",
    quoting(() => shared.held),
  );

  const error = await session.refresh().catch((error) => error);
  await settled();

  expect(error.message).toContain("could not be refreshed: the store could not be used");
  expect([error, ...events].flatMap(leaks)).toStrictEqual([]);
});

test("shows no token when a save fails again and again, with an error that quotes what was to be replaced", async () => {
  const [server, shared, clock] = [
    createServer({ tokens: opaqueTokens }),
    createSharedStore(),
    createClock(),
  ];
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  const quotes = quoting(() => shared.held);
  shared.next("save", quotes, quotes, quotes);

  await session.refresh();
  await clock.advance(10_000);

  expect(events.filter(({ type }) => type === "storeFailed")).toHaveLength(3);
  expect(leaks(events)).toStrictEqual([]);
});
