import {
  createSession,
  type RefreshContext,
  RefreshFailedError,
  type Session,
  type SessionOptions,
  SignedOutError,
} from "@freshtoken/core";
import { createServer, ledger, type Server, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, type Sending, settled } from "./support.ts";

type Request = ReturnType<typeof clientOf>;

/** A session whose `refresh` uses the client that the session is attached to. */
async function begin(
  refresh: (request: Request, context: RefreshContext) => Promise<Response>,
  options: Partial<SessionOptions> = {},
) {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  let request: Request = () => Promise.reject();
  const session = createSession({ clock, refresh: (context) => refresh(request, context), ...options });
  request = attached(session, server);
  await session.signIn(server.signIn({ expiresIn: 3600 }));
  clock.jump(3_600_000);
  return { clock, server, session, request };
}

const grant = ({ refreshToken }: RefreshContext): Sending => ({
  method: "POST",
  body: `grant_type=refresh_token&refresh_token=${refreshToken}`,
});

test("passes a request with the very signal of the attempt through untouched", async () => {
  const { server, request } = await begin((request, context) =>
    request("/token", { ...grant(context), signal: context.signal }),
  );

  expect((await request("/me")).status).toBe(200);
  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "→ GET /me a1",
    "← 200 GET /me a1",
  ]);
});

test("gives a refresh its 401 untouched, and ends the session by it", async () => {
  const { server, session, request } = await begin((request, { signal }) => request("/refresh", { signal }));

  await expect(request("/me")).rejects.toMatchObject({ code: "ERR_REFRESH_REJECTED" });
  expect(session.state).toMatchObject({ status: "signedOut" });
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1, refusals: 1 });
});

test.each([
  ["without a signal", (): Sending => ({})],
  [
    "with a signal derived from it",
    ({ signal }: RefreshContext): Sending => ({ signal: AbortSignal.any([signal]) }),
  ],
])(
  "lets a request %s wait for itself until the attempt times out, and says what to do",
  async (_, sending) => {
    const { clock, server, request } = await begin(
      (request, context) => request("/token", { ...grant(context), ...sending(context) }),
      { refreshAttempts: 1 },
    );

    const answer = request("/me");
    const outcome = expect(answer).rejects.toThrow(RefreshFailedError);
    const advice = expect(answer).rejects.toThrow(
      "`refresh` did not answer within 10000 ms. If it uses a client that this session is attached to, pass that request the `signal` it was given",
    );
    await clock.advance(10_000);

    await Promise.all([outcome, advice]);
    expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 0 });
  },
);

test("owns the signal of the attempt, and no other", async () => {
  const signals: AbortSignal[] = [];
  const { session, server, request } = await begin((request, context) => {
    signals.push(context.signal);
    return request("/token", { ...grant(context), signal: context.signal });
  });
  await request("/me");
  const { owns } = session.connect({ origins: [server.origin] });

  const [own] = signals as [AbortSignal];
  const others = [AbortSignal.any([own]), new AbortController().signal, null, undefined];
  expect([own, ...others].map(owns)).toStrictEqual([true, false, false, false, false]);
});

test("does not own the signals of another session", async () => {
  const signals: AbortSignal[] = [];
  const { request } = await begin((request, context) => {
    signals.push(context.signal);
    return request("/token", { ...grant(context), signal: context.signal });
  });
  await request("/me");
  const other = createSession({ refresh: async () => null, origins: [] });

  expect(signals.map(other.connect().owns)).toStrictEqual([false]);
});

test("owns the signals of every attempt that still runs: of one given up, and of an earlier family", async () => {
  const signals: AbortSignal[] = [];
  const { clock, session, server } = await begin(
    (_, { signal }) => {
      signals.push(signal);
      return new Promise<never>(() => {});
    },
    { refreshAttempts: 2 },
  );
  const first = expect(session.refresh()).rejects.toThrow(SignedOutError);
  await clock.advance(10_000);
  await session.signIn(server.signIn());
  const second = expect(session.refresh()).rejects.toThrow(SignedOutError);
  await settled();
  const owned = signals.map(session.connect({ origins: [] }).owns);
  await session.signOut();

  expect(owned).toStrictEqual([true, true, true]);
  await Promise.all([first, second]);
});

test("lets a refresh use the client while a new sign-in waits to be stored", async () => {
  const refreshing: (() => void)[] = [];
  const { server, session, request } = await begin(async (request, context) => {
    await new Promise<void>((resolve) => refreshing.push(resolve));
    return request("/token", { ...grant(context), signal: context.signal });
  });

  const held = request("/me");
  await settled();
  const signingIn = session.signIn(server.signIn());
  for (const go of refreshing) go();
  await Promise.allSettled([held, signingIn]);
  await settled();

  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "signIn: 2.a0 2.r0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
  ]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "2.a0" } });
});

/** An adapter that lets its session's own refresh pass. */
function attached(session: Session, server: Server): Request {
  const { owns } = session.connect({ origins: [server.origin] });
  const request = clientOf(session, server);
  return (path, sending = {}) => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const { method = "GET", body = null, signal = null } = sending;
    const bare = () => server.fetch(server.origin + path, { method, body, signal, headers });
    return owns(signal) ? bare() : request(path, sending);
  };
}
