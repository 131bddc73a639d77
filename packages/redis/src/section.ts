import { type Commands, type Reply, UnreachableError } from "./commands.ts";
import type { Ear } from "./ear.ts";
import { type Known, NO_VERSION, type Version } from "./known.ts";
import type { Settings } from "./options.ts";
import { createTurns } from "./turns.ts";
import { jittered, pause, until } from "./wait.ts";

/** What the section needs of its store. */
export interface Desk {
  /** Names this store among all who may have the lease. */
  readonly owner: string;
  readonly commands: Commands;
  /** The newest record that is known, as Redis is told of it: family and generation. */
  known(): Version;
  /** Puts back into Redis what it has lost. */
  restore(): Promise<void>;
  readonly ear: Ear;
  /** Waits until what was asked of Redis by now is known: who waits may have got what it came for. */
  settled(): Promise<void>;
  /** A task begins, that asked for its turn when `asked` was known. Without a lease it is alone. */
  begin(asked: Version, lease: Lease | undefined): Begun;
}

/** A task that runs. */
interface Begun {
  /** What it does from now on, it does later than at once. */
  spent(): void;
  /** Returns the family and generation that it could not renew, if any. */
  end(): Version;
}

/** The right to be in the section, and what Redis held when that was given. */
interface Lease {
  readonly owner: string;
  readonly fence: string;
  readonly found: Known;
  /** No later than it began, by performance.now(). */
  readonly since: number;
}

/** What keeps a lease alive. */
interface Beat {
  /** Aborts once the lease may be another's. */
  readonly lost: AbortSignal;
  stop(): void;
}

// The rest of a fleet after a failed refresh: as long as a session's own back-off, and its cool-down.
const SHORTEST_REST = 300;
const LONGEST_REST = 30_000;
// A longer rest is not waited for.
const LONGEST_WAIT = 1_000;
const FIRST_POLL = 200;
const LONGEST_POLL = 2_000;
// What ends for all at the same time is not to bring all back at the same time.
const SPREAD = 50;
const STAGGER = 100;

/** One at a time among all who share the id runs its task: `exclusive` of the store. */
export function createSection(
  settings: Settings,
  desk: Desk,
): <R>(task: () => Promise<R>, options: { signal: AbortSignal }) => Promise<R> {
  const { clock, lease: length, failOpen } = settings;
  const { commands } = desk;
  const turns = createTurns();

  return async function exclusive(task, { signal }) {
    const asked = desk.known();
    const leave = await turns.enter(signal);
    try {
      const lease = await acquire(asked, signal);
      return await inside(desk.begin(asked, lease), lease, task);
    } finally {
      leave();
    }
  };

  async function inside<R>(begun: Begun, lease: Lease | undefined, task: () => Promise<R>): Promise<R> {
    const kept = lease && beat(lease);
    try {
      const running = task();
      begun.spent();
      // Without its lease the task runs on, outside the section.
      return await (kept ? until(running, kept.lost, () => {}) : running);
    } finally {
      kept?.stop();
      const unrenewed = begun.end();
      // What was lost is not let go of either: the task may be at it still.
      if (lease && !kept?.lost.aborted) await release(lease, unrenewed);
    }
  }

  // Undefined: Redis cannot be reached, and each may refresh on its own.
  async function acquire(asked: Version, signal: AbortSignal): Promise<Lease | undefined> {
    const waiting = createWaiting();
    try {
      for (let polls = 0; ; polls++) {
        const { calls } = waiting;
        const lease = await ask(signal);
        if (typeof lease === "object") return lease;
        await waiting.next(calls, Math.min(lease + clock.random() * SPREAD, poll(polls)), signal);
        // It has got what it came for, and is to be let out, with all others: not at once.
        const hasMoved = String(desk.known()) !== String(asked);
        if (hasMoved) await until(pause(clock.random() * STAGGER, clock), signal, () => {});
      }
    } catch (error) {
      if (failOpen && error instanceof UnreachableError) return undefined;
      throw error;
    } finally {
      waiting.end();
    }
  }

  // The lease, or for how long there is none to be had.
  async function ask(signal: AbortSignal): Promise<Lease | number> {
    const asking = createAsk();
    const args = [asking.owner, String(length), ...desk.known()];
    try {
      const reply = await until(commands.run("acquire", args, { late: asking.late }), signal, asking.late);
      const [outcome, detail = ""] = reply;
      if (outcome === "leased") return asking.keep(reply) ?? 0;
      if (outcome === "behind") await until(desk.restore(), signal, () => {});
      if (outcome === "cooling" && Number(detail) > LONGEST_WAIT) throw new RestError(detail);
      return outcome === "behind" ? 0 : Number(detail);
    } finally {
      asking.end();
    }
  }

  // Sent twice, an ask has one lease, by its name. Which try is carried out first, or answered, nobody knows:
  //   try 1 ──▶ (no answer) ┄┄┄┄┄┄┄┄┄▶ leased ┄┄▶ the lease that is kept, or one that came after it: given back
  //   try 2      └──▶ leased: kept ──▶ task
  function createAsk() {
    const since = performance.now();
    const owner = `${desk.owner}/${crypto.randomUUID()}`;
    const unwanted: Lease[] = [];
    let kept: Lease | undefined;
    let isOver = false;

    function leaseIn([, fence = "", family = "", generation = "", text = ""]: Reply): Lease {
      return { owner, fence, found: { family, generation, text }, since };
    }
    function giveBack(lease: Lease): void {
      if (lease.fence !== kept?.fence) void release(lease, NO_VERSION);
    }
    function late(reply: Reply): void {
      if (reply[0] !== "leased") return;
      if (isOver) giveBack(leaseIn(reply));
      else unwanted.push(leaseIn(reply));
    }
    return {
      owner,
      late,
      keep(reply: Reply): Lease | undefined {
        // A process may be stopped while it asks, and wake up with a lease that has run out: no clock but this one tells.
        if (performance.now() - since < length) kept = leaseIn(reply);
        else late(reply);
        return kept;
      },
      end(): void {
        isOver = true;
        unwanted.forEach(giveBack);
      },
    };
  }

  // Told that the section is free, all come at once; told nothing, each looks now and then.
  function createWaiting() {
    let calls = 0;
    let wake = () => {};
    let leave: (() => void) | undefined;
    const forget = desk.ear.onFreed(() => {
      calls++;
      wake();
    });
    return {
      get calls() {
        return calls;
      },
      async next(before: number, ms: number, signal: AbortSignal): Promise<void> {
        leave ??= desk.ear.listen();
        const sleep = new Promise<void>((resolve) => {
          if (calls !== before) return resolve();
          const stop = clock.timer(resolve, ms, false);
          wake = () => {
            stop();
            resolve();
          };
        });
        await until(sleep, signal, () => {}).finally(() => wake());
        await until(desk.settled(), signal, () => {});
      },
      end() {
        forget();
        leave?.();
      },
    };
  }

  function poll(polls: number): number {
    return jittered(Math.min(FIRST_POLL * 2 ** polls, LONGEST_POLL), clock);
  }

  // The lease lives on while the task runs: three times in its length it is renewed, and once is enough.
  function beat({ owner, fence, since }: Lease): Beat {
    const lost = new AbortController();
    let renewedAt = since;
    let isOver = false;
    let stopRenewing = () => {};
    let stopWatching = () => {};

    async function renew(): Promise<void> {
      const sentAt = performance.now();
      const [outcome] = await commands.run("renew", [owner, fence, String(length)]).catch(() => []);
      if (isOver) return;
      if (outcome === "lost") return lose();
      if (outcome === "leased") renewedAt = sentAt;
      stopRenewing = clock.timer(renew, Math.max(0, length / 3 - (performance.now() - sentAt)), false);
    }
    function watch(): void {
      const rest = renewedAt + length - performance.now();
      if (rest > 0) stopWatching = clock.timer(watch, Math.ceil(rest), false);
      else lose();
    }
    function stop(): void {
      isOver = true;
      stopRenewing();
      stopWatching();
    }
    function lose(): void {
      stop();
      lost.abort(new LeaseError(length));
    }
    stopRenewing = clock.timer(renew, length / 3, false);
    watch();
    return { lost: lost.signal, stop };
  }

  // Its answer is waited for once: where Redis is in trouble, nobody else is to wait for that.
  async function release({ owner, fence }: Lease, unrenewed: Version): Promise<void> {
    const rest = [SHORTEST_REST, LONGEST_REST, 0.5 + clock.random() / 2].map(String);
    const args = [owner, fence, ...unrenewed, ...rest];
    await commands.run("release", args, { tries: 1 }).catch(() => {
      void commands.run("release", args).catch(() => {});
    });
  }
}

/** The lease is another's, or may be. */
class LeaseError extends Error {
  override readonly name = "LeaseError";

  constructor(ms: number) {
    super(
      `This machine has lost its turn: another has it, or Redis has confirmed it for the last time ${ms} ms ago. What the task brings can still be saved, over the record that it replaces`,
    );
  }
}

/** The last refresh of this session, by whatever machine, has failed a moment ago. */
class RestError extends Error {
  override readonly name = "RestError";

  constructor(ms: string) {
    super(
      `The last refreshes of this session have failed, on whatever machine: the next may begin in ${ms} ms`,
    );
  }
}
