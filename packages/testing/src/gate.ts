/** Holds what comes to it until the test lets it through. */
export interface Gate {
  /** How many wait now. */
  readonly waiting: number;
  /** Resolves as soon as this many wait. */
  reached(count: number): Promise<void>;
  /** Lets the first that wait through, in the order they came. At most as many as wait. */
  step(count?: number): void;
  /** Lets everything through, now and from now on. */
  open(): void;
  /** Waits at the gate; leaves it, and rejects with the signal's reason, when the signal aborts. */
  pass(signal?: AbortSignal): Promise<void>;
}

/** Makes a closed gate, for a fault's `actAfter` or `answerAfter`, or for anything else that can be awaited. */
export function createGate(): Gate {
  const waiting = new Set<() => void>();
  const watchers = new Set<() => void>();
  let opened = false;

  function pass(signal?: AbortSignal): Promise<void> {
    if (opened) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(through);
        reject(signal?.reason);
      };
      const through = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      if (signal?.aborted) return leave();
      signal?.addEventListener("abort", leave, { once: true });
      waiting.add(through);
      for (const watch of watchers) watch();
    });
  }

  function step(count = 1): void {
    for (const through of [...waiting].slice(0, count)) {
      waiting.delete(through);
      through();
    }
  }

  function reached(count: number): Promise<void> {
    return new Promise((resolve) => {
      const watch = () => {
        if (waiting.size < count) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
    });
  }

  function open(): void {
    opened = true;
    step(waiting.size);
  }

  return {
    get waiting() {
      return waiting.size;
    },
    reached,
    step,
    open,
    pass,
  };
}
