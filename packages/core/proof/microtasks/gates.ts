import type { World } from "../commands/world.ts";

/** Holds every answer from outside until it is let through. */
export interface Gates {
  turn(label: string): Promise<void>;
  /** Lets others through until this one waits. Returns what lets it through; undefined: it never comes. */
  reach(label: string): Promise<(() => void) | undefined>;
  /** Lets one through as soon as it waits. */
  open(label: string): Promise<void>;
  /** Lets one through that waits now. False: it does not. */
  pass(label: string): boolean;
  /** Lets everything through, and time pass, until nothing is left. */
  rest(world: World): Promise<void>;
}

interface Waiting {
  readonly label: string;
  readonly resolve: () => void;
}

const MOST_STEPS = 500;

export function createGates(drained: () => Promise<void>): Gates {
  const waiting: Waiting[] = [];

  function take(isWanted: (label: string) => boolean): Waiting | undefined {
    const index = waiting.findIndex(({ label }) => isWanted(label));
    return index < 0 ? undefined : waiting.splice(index, 1)[0];
  }

  async function reach(label: string): Promise<(() => void) | undefined> {
    await drained();
    for (let step = 0; step < MOST_STEPS; step++) {
      const found = take((other) => other.startsWith(label));
      if (found) return found.resolve;
      // Answers to requests come when somebody wants them to.
      const other = take((candidate) => !candidate.startsWith("the answer to request"));
      if (!other) return undefined;
      other.resolve();
      await drained();
    }
    return undefined;
  }

  return {
    turn: (label) => new Promise((resolve) => void waiting.push({ label, resolve })),
    reach,
    async open(label) {
      (await reach(label))?.();
      await drained();
    },
    pass(label) {
      const found = take((other) => other.startsWith(label));
      found?.resolve();
      return found !== undefined;
    },
    async rest(world) {
      await drained();
      for (let step = 0; step < MOST_STEPS; step++) {
        const next = waiting.shift();
        if (next) next.resolve();
        else if (!world.clock.strike()) return;
        await drained();
      }
      world.witness.violated(`I12: it does not come to rest within ${MOST_STEPS} steps`);
    },
  };
}
