/** One request, or one caller of the session, that waits. */
interface Waiter {
  /** Not yet sent: counts against the limit. */
  readonly held: boolean;
  /** Waits for a token set that is newer than this generation. */
  readonly beyond: number;
  /** Would rather go with what there is than fail with a refresh. */
  readonly lenient: boolean;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (stamp: string | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

interface Watch {
  readonly waiters: Set<Waiter>;
  readonly stop: () => void;
}

export interface Wait {
  readonly held: boolean;
  readonly beyond: number;
  readonly lenient?: boolean;
  readonly signal?: AbortSignal | null | undefined;
}

/** Those who wait, in the order in which they came. */
export interface Queue {
  /** How many requests are held, that is: not yet sent. */
  readonly held: number;
  /** Waits to be woken. Resolves with the stamp that `wake` gave; rejects with its signal's reason, or as `fail` says. */
  wait(wait: Wait): Promise<string | undefined>;
  /** Wakes all, first come first. Returns how many of them were held. */
  wake(stamp: string | undefined): number;
  /** Rejects those who wait for a newer token set than `through` or an older one; without it, all. */
  fail(error: Error, through?: number): void;
}

/** Makes an empty queue. `busy` hears when the first enters, and when the last has left. */
export function createQueue(busy: (isBusy: boolean) => void): Queue {
  // A Set keeps insertion order and removes in O(1).
  const waiters = new Set<Waiter>();
  // One listener a signal: one a waiter would be quadratic where many share a signal.
  const watches = new Map<AbortSignal | undefined, Watch>();
  let held = 0;

  function enter(waiter: Waiter): void {
    if (waiter.signal) watch(waiter.signal).waiters.add(waiter);
    waiters.add(waiter);
    if (waiter.held) held++;
    if (waiters.size === 1) busy(true);
  }

  function leave(waiter: Waiter): void {
    waiters.delete(waiter);
    if (waiter.held) held--;
    unwatch(waiter);
    if (waiters.size === 0) busy(false);
  }

  function watch(signal: AbortSignal): Watch {
    const known = watches.get(signal);
    if (known) return known;
    const aborted = () => rejectAll([...made.waiters], signal.reason);
    const made = { waiters: new Set<Waiter>(), stop: () => signal.removeEventListener("abort", aborted) };
    // First of all: what is no signal throws here, and nothing was entered.
    signal.addEventListener("abort", aborted);
    watches.set(signal, made);
    return made;
  }

  function unwatch(waiter: Waiter): void {
    const known = watches.get(waiter.signal);
    known?.waiters.delete(waiter);
    if (known?.waiters.size !== 0) return;
    known.stop();
    watches.delete(waiter.signal);
  }

  function rejectAll(some: readonly Waiter[], reason: unknown): void {
    for (const waiter of some) {
      leave(waiter);
      waiter.reject(reason);
    }
  }

  return {
    get held() {
      return held;
    },
    wait({ held, beyond, lenient = false, signal }) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      return new Promise((resolve, reject) =>
        enter({ held, beyond, lenient, signal: signal ?? undefined, resolve, reject }),
      );
    },
    wake(stamp) {
      const released = held;
      for (const waiter of [...waiters]) {
        leave(waiter);
        waiter.resolve(stamp);
      }
      return released;
    },
    fail(error, through = Number.POSITIVE_INFINITY) {
      rejectAll(
        [...waiters].filter(
          ({ beyond, lenient }) => beyond <= through && !(lenient && through < Number.POSITIVE_INFINITY),
        ),
        error,
      );
    },
  };
}
