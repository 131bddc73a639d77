import { createClock } from "@freshtoken/testing";
import type { Connection } from "../../src/exchange.ts";
import { createSession, type Session } from "../../src/session.ts";
import { type Census, Counted, census, leftBehind } from "./census.ts";

const ORIGIN = "https://api.test";
const MINUTE = 60_000;

/** One session, used for long, and one signal that everybody shares. */
interface Traffic {
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Sends about a thousand requests in every way that one can go. Returns how many. */
  round(): Promise<number>;
  census(): Promise<Census>;
}

function createTraffic(): Traffic {
  const clock = createClock();
  const { signal } = new AbortController();
  let issued = 0;
  let isDown = false;
  const response = () => ({ access_token: `a${++issued}`, refresh_token: `r${issued}`, expires_in: 60 });
  const session = createSession({
    clock,
    refusalLimit: false,
    refreshAttempts: 1,
    tokens: response(),
    async refresh({ signal: own }) {
      Object.assign(own, { counted: new Counted() });
      if (isDown) throw new Error("down");
      return response();
    },
  });
  const connection = session.connect({ origins: [ORIGIN] });
  // Nobody's: a listener that goes with its session.
  session.subscribe(() => {});

  function many(count: number, refused: () => boolean, own?: AbortSignal): Promise<unknown> {
    return Promise.allSettled(Array.from({ length: count }, () => sent(connection, own ?? signal, refused)));
  }

  // Each ten of them with a signal of their own: every other one aborts.
  async function aborted(count: number): Promise<void> {
    clock.jump(MINUTE);
    const controllers = Array.from({ length: count / 10 }, () => new AbortController());
    const held = controllers.map(({ signal }) =>
      many(10, no, Object.assign(signal, { counted: new Counted() })),
    );
    for (const controller of controllers.filter((_, index) => index % 2 === 0)) controller.abort();
    await Promise.all(held);
  }

  async function failed(count: number): Promise<void> {
    clock.jump(MINUTE);
    isDown = true;
    await Promise.all([many(count, no), settledOf(session.tokens({ signal }))]);
    isDown = false;
    await settledOf(session.refresh({ signal }));
  }

  return {
    session,
    signal,
    async round() {
      await many(600, no);
      // Held, as the token is stale.
      clock.jump(MINUTE);
      await Promise.all([many(150, no), session.tokens({ signal }), session.refresh({ signal })]);
      // Refused, and sent again.
      const now = issued;
      await many(150, () => issued === now);
      await aborted(50);
      await failed(50);
      return 1_000;
    },
    census: () => census(signal, () => clock.timers.all),
  };
}

const no = () => false;

/** One request, whose exchange and answer are counted. */
function sent(connection: Connection, signal: AbortSignal, refused: () => boolean): Promise<unknown> {
  const exchange = Object.assign(new Counted(), {
    ...{ url: `${ORIGIN}/me`, method: "GET", replayable: true, signal },
    send: async () => Object.assign(new Counted(), { isRefused: refused() }),
    answer: ({ isRefused }: { isRefused: boolean }) => ({
      ...{ status: isRefused ? 401 : 200, field: () => null, response: undefined },
    }),
    release: <R>(response: R) => response,
  });
  return connection.send(exchange);
}

function settledOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch(() => {});
}

/** Sends so many requests through one session, and says what of them is left. */
export async function requests(count: number, progress: (line: string) => void): Promise<string[]> {
  const traffic = createTraffic();
  await run(traffic, Math.min(count, 10_000), () => {});
  const before = await traffic.census();
  await run(traffic, count, progress);
  const left = leftBehind("requests", before, await traffic.census(), count);
  await traffic.session.close();
  return left;
}

async function run(traffic: Traffic, count: number, progress: (line: string) => void): Promise<void> {
  let sent = 0;
  while (sent < count) {
    sent += await traffic.round();
    if (sent % 100_000 === 0) progress(`${sent.toLocaleString("en")} requests`);
  }
}
