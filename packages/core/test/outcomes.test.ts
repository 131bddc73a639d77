import {
  FreshtokenError,
  RefreshFailedError,
  RefreshRejectedError,
  type SessionOptions,
  SignedOutError,
} from "@freshtoken/core";
import { createGate, createServer, type Fault, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

type Where = "held" | "refused";

/** A request that waits for a refresh which has begun: held, or sent and refused. */
async function begin(
  where: Where,
  { sending = {}, fault, ...options }: Partial<SessionOptions> & Extra = {},
) {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const { session, events } = sessionOn(server, { clock, refreshAttempts: 1, ...options });
  await session.signIn(server.signIn({ expiresIn: 3600 }));
  const refreshing = server.gate("token");
  if (fault) server.next("token", fault);
  const caller = new AbortController();
  if (where === "held") clock.jump(3_600_000);
  else server.expire();
  const answer = clientOf(session, server)("/me?secret=query#hash", { signal: caller.signal, ...sending });
  const outcome = answer.catch((error: unknown) => error);
  return { clock, server, session, events, refreshing, caller, outcome };
}

interface Extra {
  readonly fault?: Fault;
  readonly sending?: { readonly replayable?: boolean; readonly method?: string };
}

const LINE = { method: "GET", url: "https://server.test/me" };
const both = ["held", "refused"] as const;

/** All that an error shows, apart from its stack. */
function shown(error: unknown) {
  const { name, message, code, cause, request, retryAt } = error as RefreshFailedError;
  const evidence = cause && { ...(cause as Error), message: (cause as Error).message };
  return { name, message, code, cause: evidence, request, retryAt };
}

test("held, refresh rejected: RefreshRejectedError with the server's code", async () => {
  const { server, refreshing, session, outcome } = await begin("held");
  server.withdraw();
  refreshing.open();

  const error = await outcome;

  expect(error).toBeInstanceOf(RefreshRejectedError);
  expect(shown(error)).toStrictEqual({
    name: "RefreshRejectedError",
    message:
      "GET https://server.test/me: The session has ended: the authorization server answered 400 invalid_grant. Let the user sign in again, then call session.signIn()",
    code: "ERR_REFRESH_REJECTED",
    cause: {
      name: "AnswerError",
      message: "The token endpoint answered 400 invalid_grant",
      code: "invalid_grant",
      status: 400,
    },
    request: LINE,
    retryAt: undefined,
  });
  expect(session.state).toMatchObject({ status: "signedOut", error: { code: "ERR_REFRESH_REJECTED" } });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 0 });
});

test("refused, refresh rejected: the server's own 401, its body readable", async () => {
  const { server, refreshing, outcome } = await begin("refused");
  server.withdraw();
  refreshing.open();

  const answer = (await outcome) as Response;

  expect(answer.status).toBe(401);
  expect(answer.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  expect(await answer.json()).toStrictEqual({ error: "invalid_token" });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1, refusals: 1 });
});

test("refused, refresh rejected: the client may explain the 401 with the RefreshRejectedError", async () => {
  const { server, session, refreshing } = await begin("refused");
  server.withdraw();
  refreshing.open();
  const explained: unknown[] = [];
  const response = new Response(null, { status: 401 });
  const answer = session.connect({ origins: [server.origin] }).send({
    ...LINE,
    replayable: true,
    send: async () => response,
    answer: ({ status }) => ({ status, field: () => null, response }),
    release: (kept) => kept,
    explain(kept, error) {
      explained.push(kept, error.code, error.request);
      return kept;
    },
  });

  expect(await answer).toBe(response);
  expect(explained).toStrictEqual([response, "ERR_REFRESH_REJECTED", LINE]);
});

test.each(both)("%s, refresh failed: RefreshFailedError with the time to try again", async (where) => {
  const { clock, server, refreshing, session, outcome } = await begin(where, { fault: { status: 503 } });
  refreshing.open();

  const error = await outcome;

  const retryAt = clock.now() + 1_000;
  expect(error).toBeInstanceOf(RefreshFailedError);
  expect(shown(error)).toStrictEqual({
    name: "RefreshFailedError",
    message: `GET https://server.test/me: The access token could not be refreshed: the authorization server answered 503. The session is kept; try again after ${new Date(retryAt).toISOString()}`,
    code: "ERR_REFRESH_FAILED",
    cause: { name: "AnswerError", message: "The token endpoint answered 503", status: 503 },
    request: LINE,
    retryAt,
  });
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: where === "held" ? 0 : 1 });
});

test("refused, fresh token refused too: the server's last 401, its body readable", async () => {
  const { server, refreshing, session, outcome } = await begin("refused");
  server.next("/me", { status: 401, json: "the last" });
  refreshing.open();

  const answer = (await outcome) as Response;

  expect([answer.status, await answer.json()]).toStrictEqual([401, "the last"]);
  expect(session.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "a1" } });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, refusals: 2 });
});

const endings = [
  ["signed out", "signOut"],
  ["signed in anew", "signIn"],
] as const;

test.each(endings.flatMap(([title, how]) => both.map((where) => [where, title, how] as const)))(
  "%s, %s meanwhile: SignedOutError",
  async (where, _, how) => {
    const { server, session, refreshing, outcome } = await begin(where);
    await refreshing.reached(1);

    await (how === "signOut" ? session.signOut() : session.signIn(server.signIn()));
    const error = await outcome;
    refreshing.open();

    expect(error).toBeInstanceOf(SignedOutError);
    expect(shown(error)).toStrictEqual({
      name: "SignedOutError",
      message:
        "GET https://server.test/me: The session it was made under has ended: signed out, or signed in anew. Make it again, if it still applies",
      code: "ERR_SIGNED_OUT",
      cause: undefined,
      request: LINE,
      retryAt: undefined,
    });
    expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: where === "held" ? 0 : 1 });
  },
);

test("refused, body cannot be sent again: NotReplayableError", async () => {
  const sending = { replayable: false, method: "POST" };
  const { server, outcome, refreshing } = await begin("refused", { sending });

  const error = await outcome;

  refreshing.open();
  expect(shown(error)).toStrictEqual({
    name: "NotReplayableError",
    message:
      "POST https://server.test/me: The token was refused, and the body, a stream, cannot be sent twice. The token is refreshed for the next call: make it with a new body",
    code: "ERR_NOT_REPLAYABLE",
    cause: undefined,
    request: { ...LINE, method: "POST" },
    retryAt: undefined,
  });
  expect(ledger(server.log)).toMatchObject({ requests: 1, refusals: 1 });
});

test("held, queue full: QueueFullError", async () => {
  const { server, outcome } = await begin("held", { maxHeld: 0 });

  expect(shown(await outcome)).toStrictEqual({
    name: "QueueFullError",
    message:
      "GET https://server.test/me: 0 requests are held already, as many as `maxHeld` allows. Try again when the refresh has ended",
    code: "ERR_QUEUE_FULL",
    cause: undefined,
    request: LINE,
    retryAt: undefined,
  });
  expect(ledger(server.log)).toMatchObject({ requests: 0 });
});

test.each(both)("%s, aborted: the signal's reason, itself", async (where) => {
  const { server, caller, refreshing, outcome } = await begin(where);
  const reason = new Error("the user left");
  await refreshing.reached(1);

  caller.abort(reason);

  expect(await outcome).toBe(reason);
  refreshing.open();
  expect(ledger(server.log)).toMatchObject({ requests: where === "held" ? 0 : 1 });
});

test("refused, replay held for a refresh that is rejected: the server's own 401, its body readable", async () => {
  const { server, session, refreshing, outcome } = await begin("refused");
  const late = server.gate("/late", "answer");
  server.next("/late", { refuse: "Bearer realm=late" });
  refreshing.open();
  const request = clientOf(session, server);
  const slow = request("/late");
  await outcome;
  await session.refresh();
  server.expire();
  server.withdraw();
  const token = server.gate("token");
  const other = request("/other");
  await token.reached(1);

  late.open();
  await settled();
  token.open();

  const [answer] = [await slow, await other];
  expect([answer.status, answer.headers.get("www-authenticate"), answer.bodyUsed]).toStrictEqual([
    401,
    "Bearer realm=late",
    false,
  ]);
});

test("refused, refresh rejected while the scheme makes the fields of its replay: the server's own 401", async () => {
  const thinking = createGate();
  let isSlow = false;
  const scheme: SessionOptions["scheme"] = {
    sendsToken: true,
    async fields({ accessToken }) {
      if (isSlow) await thinking.pass();
      return { authorization: `Bearer ${accessToken}` };
    },
  };
  const { server, session, refreshing, outcome } = await begin("refused", { scheme });
  await refreshing.reached(1);
  isSlow = true;
  refreshing.open();
  await thinking.reached(1);

  server.withdraw();
  await session.refresh().catch(() => {});
  thinking.open();

  expect(await outcome).toMatchObject({ status: 401, bodyUsed: false });
  expect(ledger(server.log)).toMatchObject({ requests: 1, refusals: 1 });
});

test("refused late, its session long left for one that was rejected since: SignedOutError", async () => {
  const { server, session, refreshing } = await begin("held");
  refreshing.open();
  const late = server.gate("/late", "answer");
  await session.refresh();
  server.expire();
  const answer = clientOf(session, server)("/late").catch((error: unknown) => error);
  await late.reached(1);
  await session.signIn(server.signIn());
  server.withdraw();
  await session.refresh().catch(() => {});

  late.open();

  expect(await answer).toBeInstanceOf(SignedOutError);
  expect(session.state).toMatchObject({ error: { code: "ERR_REFRESH_REJECTED" } });
});

test("what the client itself rejects with comes as it is", async () => {
  const { server, session } = await begin("refused");
  server.next("/broken", { reset: "before" });

  const broken = clientOf(session, server)("/broken");

  await expect(broken).rejects.toMatchObject({ name: "TypeError", message: "fetch failed" });
});

test("each caller gets an error of its own, that names its request and shows the same cause", async () => {
  const { server, session, refreshing, outcome } = await begin("held", { fault: { status: 503 } });
  const other = clientOf(session, server)("/other", { method: "DELETE" });
  const outcomes = [outcome, other.catch((error: unknown) => error)];
  refreshing.open();

  const [one, two] = (await Promise.all(outcomes)) as [RefreshFailedError, RefreshFailedError];

  expect([one.request, two.request]).toStrictEqual([
    LINE,
    { method: "DELETE", url: "https://server.test/other" },
  ]);
  expect(one.cause).toBe(two.cause);
  expect(one.retryAt).toBe(two.retryAt);
});

test("errors of the session itself name no request", async () => {
  const { server, session, refreshing } = await begin("refused");
  server.withdraw();
  refreshing.open();

  const error = await session
    .tokens()
    .then(() => session.refresh())
    .catch((error: unknown) => error);

  expect(error).toBeInstanceOf(FreshtokenError);
  expect("request" in (error as object)).toBe(false);
  expect((error as Error).message).toMatch(/^The session has ended/);
});

test("has no cause for a rejection where refresh said null", async () => {
  const { session } = sessionOn(createServer(), { clock: createClock(), refresh: async () => null });
  await session.signIn({ accessToken: "a0" });

  const error = await session.refresh().catch((error) => error);

  expect([error.code, error.cause]).toStrictEqual(["ERR_REFRESH_REJECTED", undefined]);
});
