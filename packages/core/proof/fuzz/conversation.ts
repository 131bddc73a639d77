import { createClock, settled } from "@freshtoken/testing";
import { type RefreshFailedError, RefreshRejectedError } from "../../src/errors.ts";
import type { SessionEvent } from "../../src/events.ts";
import type { SessionOptions } from "../../src/options.ts";
import { createSession } from "../../src/session.ts";
import type { SessionState } from "../../src/state.ts";
import { leaks, held as tokens } from "./secrets.ts";

/** How something ended; undefined: it did not. */
export type Ending = { readonly value: unknown } | { readonly error: unknown } | undefined;

/** What became of one round, and of those who waited for it. */
export interface Account {
  /** Whoever called `session.refresh()`. */
  readonly asked: Ending;
  /** A request that waited for the round: with the fields it left with. */
  readonly held: Ending;
  readonly state: SessionState;
  readonly attempts: number;
}

const ORIGIN = "https://api.test";
const HOUR = 3_600_000;

/**
 * Lets a session refresh, whatever that brings, and demands what holds in any case: everybody is answered, with
 * tokens or with an error of the session that shows none; the session can be used afterwards; nothing is left.
 */
export async function converse(refresh: () => unknown): Promise<Account> {
  const clock = createClock();
  const events: SessionEvent[] = [];
  let attempts = 0;
  let hasHealed = false;
  const session = createSession({
    clock,
    // Stale: a request has to wait for the round.
    tokens: {
      ...tokens,
      extra: { note: "half of \ud83d a pair" },
      expiresAt: clock.now() + 1,
      issuedAt: clock.now() - HOUR,
    },
    refresh: (async () => {
      if (hasHealed) return { access_token: "healed" };
      attempts++;
      return refresh();
    }) as SessionOptions["refresh"],
  });
  session.subscribe((event) => events.push(event));
  const connection = session.connect({ origins: [ORIGIN] });
  const asked = watched(session.refresh());
  const held = watched(
    connection.send({
      ...{ url: ORIGIN, method: "GET", replayable: true },
      send: async (fields) => new Headers(fields).get("authorization"),
      answer: (response) => ({ status: 200, field: () => null, response }),
      release: (response) => response,
    }),
  );

  await settled();
  await settled();
  await clock.advance(120_000);

  const { state } = session;
  const failure = "error" in (asked() ?? {}) ? (asked() as { error: unknown }).error : undefined;
  demand(asked() !== undefined, "refresh() hangs");
  demand(held() !== undefined, "a held request hangs");
  demand(attempts <= 3, `${attempts} attempts in one round`);
  demand(
    failure === undefined || isOurs(failure),
    "refresh() rejects with an error that is not ours",
    failure,
  );
  demand(isAlike(asked(), held()), "one is served and the other is not", asked(), held());
  demand(
    (state.status === "signedOut") === failure instanceof RefreshRejectedError,
    `${state.status} after ${failure}`,
  );
  demand(!events.some(({ type }) => type === "storeFailed"), "a store that works has failed");
  const { retryAt = clock.now() } = Object(failure) as RefreshFailedError;
  demand(Number.isFinite(retryAt) && retryAt <= clock.now() + HOUR, `to be tried again at ${retryAt}`);
  const shown = leaks([events, failure, "error" in (held() ?? {}) && held()]);
  demand(shown.length === 0, `shows ${shown}`, events, failure);

  hasHealed = true;
  const healed = watched(session.refresh());
  await clock.advance(60_000);
  demand(healed() !== undefined, "the next refresh hangs");
  demand("value" in Object(healed()) === (state.status === "signedIn"), "the next refresh fails", healed());

  const closed = watched(session.close());
  await clock.advance(60_000);
  demand(closed() !== undefined, "close() hangs");
  demand(clock.timers.all === 0, `leaves ${clock.timers.all} timers`);
  return { asked: asked(), held: held(), state, attempts };
}

/** Waits for an end that may never come. */
export function watched(promise: Promise<unknown>): () => Ending {
  let ending: Ending;
  promise.then(
    (value) => {
      ending = { value };
    },
    (error: unknown) => {
      ending = { error };
    },
  );
  return () => ending;
}

/** Throws what is wrong, with the evidence. */
export function demand(holds: boolean, what: string, ...evidence: unknown[]): void {
  if (!holds) throw new Error(what, evidence.length > 0 ? { cause: evidence } : undefined);
}

function isOurs(error: unknown): boolean {
  const { name } = Object(error);
  return name === "RefreshFailedError" || name === "RefreshRejectedError";
}

function isAlike(one: Ending, other: Ending): boolean {
  return "value" in Object(one) === "value" in Object(other);
}
