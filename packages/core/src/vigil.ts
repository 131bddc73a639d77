import type { Clock } from "./options.ts";

/** Keeps the process alive while somebody waits: each wait ends at some deadline, whose own timer would not. */
export interface Vigil {
  /** Somebody waits, or no longer does. */
  keep(isKept: boolean): void;
  /** Keeps it until some work has ended. */
  during<T>(work: Promise<T>): Promise<T>;
}

export function createVigil(clock: Clock): Vigil {
  let waiting = 0;
  let end = () => {};

  function keep(isKept: boolean): void {
    waiting += isKept ? 1 : -1;
    if (isKept && waiting === 1) end = clock.timer(() => {}, 2 ** 31 - 1, true);
    if (waiting === 0) end();
  }

  return {
    keep,
    during(work) {
      keep(true);
      return work.finally(() => keep(false));
    },
  };
}
