import type { Connection } from "../../src/exchange.ts";
import type { RefreshContext } from "../../src/options.ts";
import { createSession, type Session } from "../../src/session.ts";
import type { SessionRecord, SessionStore } from "../../src/store.ts";
import type { TokenSet } from "../../src/tokens.ts";
import { type Code, codeAt, familyIn, generationIn } from "./record.ts";
import { REFUSALS } from "./scene.ts";

/** What a promise waits for. */
interface Pending<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
  isOver: boolean;
}

interface Timer {
  readonly ms: number;
  readonly run: () => void;
  isTaken: boolean;
}

interface Call<T> extends Pending<T> {
  readonly timer?: Timer | undefined;
}

interface Save extends Call<boolean> {
  readonly record: SessionRecord | null;
  readonly expected: SessionRecord | null | undefined;
}

interface Attempt extends Call<unknown> {
  readonly context: RefreshContext;
}

interface Sending {
  readonly replayable: boolean;
  readonly controller: AbortController;
  sends: number;
  sent: Code;
  wire: Pending<{ status: number }> | undefined;
  wasReleased: boolean;
  how: string;
}

const LIFE = 3_600_000_000;
const AHEAD = 86_400_000;
export const DEADLINE = 10_000;
/** How long a round sleeps: longer than the writer does. */
export const SLEEP = 1_000;
const WINDOW = 3_600_000;

/** A real session in a world that does nothing by itself: each call of it waits until it is answered from outside. */
export function createReality(beginning: { store: Code; isRestoring: boolean; maxHeld: number }) {
  let time = 1_700_000_000_000;
  const timers = new Set<Timer>();
  const families = new Map<number, string>();
  const loads: Call<SessionRecord | null>[] = [];
  const saves: Save[] = [];
  const attempts: Attempt[] = [];
  const turns: Call<void>[] = [];
  const sendings: Sending[] = [];
  const order: number[] = [];
  const surprises: string[] = [];
  let hear = () => {};
  let newest: Timer | undefined;
  let isExpected = false;
  const world = { held: recordOf(beginning.store) };

  function tokensOf(code: Code): TokenSet {
    const refreshToken = `r${familyIn(code)}.${generationIn(code)}`;
    // Access tokens may well look alike: what counts is their generation.
    return { accessToken: "a", refreshToken, issuedAt: time, expiresAt: time + LIFE };
  }

  function recordOf(code: Code): SessionRecord | null {
    if (code === 0) return null;
    const family = families.get(familyIn(code)) ?? `family ${familyIn(code)}`;
    families.set(familyIn(code), family);
    return { family, generation: generationIn(code), tokens: tokensOf(code) };
  }

  function codeOf(tokens: TokenSet | undefined): Code {
    const [, family, generation] = /^r(\d)\.(\d)$/.exec(tokens?.refreshToken ?? "") ?? [];
    return family === undefined ? 0 : codeAt(Number(family), Number(generation));
  }

  // A call's deadline is set right before it.
  function takeDeadline(): Timer | undefined {
    const timer = [...timers].find(({ ms, isTaken }) => ms === DEADLINE && !isTaken);
    if (timer) timer.isTaken = true;
    return timer;
  }

  const isSame = (one: SessionRecord | null, other: SessionRecord | null) =>
    one?.family === other?.family && one?.generation === other?.generation;

  const store: SessionStore = {
    load() {
      const call = Object.assign(pending<SessionRecord | null>(), { timer: takeDeadline() });
      // The first look of all is timed only once it is under way.
      isExpected = call.timer === undefined;
      loads.push(call);
      return call.promise;
    },
    save(record, expected) {
      const call = Object.assign(pending<boolean>(), { record, expected, timer: takeDeadline() });
      saves.push(call);
      if (record) families.set(familyIn(codeOf(record.tokens)), record.family);
      return call.promise;
    },
    async exclusive(task, { signal }) {
      const turn = Object.assign(pending<void>(), { timer: newest });
      if (newest) newest.isTaken = true;
      turns.push(turn);
      const gaveUp = () => turn.reject(signal.reason);
      signal.addEventListener("abort", gaveUp);
      try {
        await turn.promise;
        return await task();
      } finally {
        signal.removeEventListener("abort", gaveUp);
        turn.isOver = true;
      }
    },
    subscribe(changed) {
      hear = changed;
      return () => {};
    },
  };

  const session: Session = createSession({
    store,
    clock: {
      now: () => time,
      random: () => 0,
      timer(run, ms) {
        const timer = { ms, run, isTaken: isExpected };
        isExpected = false;
        timers.add(timer);
        newest = timer;
        return () => void timers.delete(timer);
      },
    },
    refresh(context) {
      if (newest) newest.isTaken = true;
      const call = Object.assign(pending<unknown>(), { context, timer: newest });
      attempts.push(call);
      context.signal.addEventListener("abort", () => {
        if (call.timer && timers.has(call.timer)) surprises.push("an attempt is aborted before its deadline");
      });
      return call.promise as Promise<TokenSet>;
    },
    scheme: { sendsToken: true, fields: ({ refreshToken = "" }) => ({ token: refreshToken }) },
    restore: beginning.isRestoring,
    refusalLimit: { max: REFUSALS, within: WINDOW },
    refreshAhead: AHEAD,
    refreshTimeout: DEADLINE,
    ...(Number.isFinite(beginning.maxHeld) && { maxHeld: beginning.maxHeld }),
  });
  const connection: Connection = session.connect({ origins: ["https://api.example"] });

  function make(replayable: boolean): void {
    const controller = new AbortController();
    const { signal } = controller;
    const id = sendings.length + 1;
    const sending: Sending = {
      replayable,
      controller,
      sends: 0,
      sent: 0,
      wire: undefined,
      wasReleased: false,
      how: "",
    };
    sendings.push(sending);
    const settle = (how: string) => {
      if (sending.how) surprises.push(`request ${id} settles twice`);
      sending.how = how;
    };
    void connection
      .send<{ status: number }>({
        url: "https://api.example/me",
        method: "GET",
        signal,
        replayable,
        send({ token }) {
          if (token === undefined) return Promise.resolve({ status: 0 });
          order.push(id);
          sending.sends++;
          sending.sent = codeOf({ refreshToken: token });
          sending.wasReleased = false;
          const wire = pending<{ status: number }>();
          sending.wire = wire;
          signal.addEventListener("abort", () => wire.reject(signal.reason));
          return wire.promise;
        },
        answer: (response) => ({ status: response.status, field: () => null, response }),
        release(response) {
          sending.wasReleased = true;
          return response;
        },
      })
      .then(
        ({ status }) => settle(status === 0 ? "passed through" : status === 401 ? "its 401" : "200"),
        (error: Error) => settle(error.name === "AbortError" ? "aborted" : error.name),
      );
  }

  function fire(timer: Timer | undefined): void {
    if (!timer || !timers.delete(timer)) throw new Error("no such timer is set");
    timer.run();
  }

  return {
    session,
    connection,
    world,
    loads,
    saves,
    attempts,
    turns,
    sendings,
    order,
    surprises,
    timers,
    tokensOf,
    recordOf,
    codeOf,
    isSame,
    make,
    fire,
    hint: () => hear(),
    pass(ms: number) {
      time += ms;
    },
    now: () => time,
  };
}

export type Reality = ReturnType<typeof createReality>;

function pending<T>(): Pending<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  promise.catch(() => {});
  const made: Pending<T> = {
    promise,
    isOver: false,
    resolve(value) {
      made.isOver = true;
      resolve(value);
    },
    reject(reason) {
      made.isOver = true;
      reject(reason);
    },
  };
  return made;
}
