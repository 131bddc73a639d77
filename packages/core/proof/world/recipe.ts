import type { Grace } from "@freshtoken/testing";
import type { Chance } from "./chance.ts";

/** What one world is made of. Times in ms, faults as probabilities. */
export interface Recipe {
  readonly contexts: number;
  /** How long users act, and things go wrong. */
  readonly lasts: number;
  readonly actions: number;
  /** The context that is killed, in the place of so many-th thing it would have learned. */
  readonly kill: { readonly context: number; readonly at: number } | undefined;
  /** How far local clocks are off. */
  readonly skew: number;
  readonly server: {
    readonly expiresIn: number | undefined;
    readonly grace: Grace | undefined;
    readonly revokeOnRotate: boolean;
  };
  readonly network: {
    readonly latency: number;
    /** An answer that is lost, before or after the server acted; one that comes too late; a server in trouble. */
    readonly lost: number;
    readonly slow: number;
    readonly trouble: number;
  };
  readonly store: {
    readonly latency: number;
    /** How long a section is kept before another gets it. */
    readonly lease: number;
    readonly loads: number;
    readonly saves: number;
    readonly sections: number;
    readonly hints: number;
  };
  readonly session: {
    readonly refreshTimeout: number;
    readonly refreshAttempts: number;
    readonly refreshAhead: number | false;
    readonly revokes: boolean;
    /** Whether `refresh` gives up when its signal says so: else its answer may come late. */
    readonly heeds: boolean;
  };
}

export function recipeOf(chance: Chance): Recipe {
  const recipe = anyRecipe(chance);
  return chance.of(0.25) ? belated(recipe, chance) : recipe;
}

// What comes, comes about when it is given up: the orders that are rare elsewhere.
function belated(recipe: Recipe, chance: Chance): Recipe {
  const { server, network, store, session } = recipe;
  return {
    ...recipe,
    contexts: Math.min(recipe.contexts, 2),
    lasts: 30_000,
    actions: chance.between(12, 24),
    kill: undefined,
    server: { ...server, expiresIn: 3600 },
    network: { ...network, slow: chance.pick([0.2, 0.5]) },
    store: { ...store, latency: chance.pick([100, 1_000]), saves: chance.pick([0, 0.3]) },
    session: { ...session, refreshTimeout: 2_000, refreshAttempts: 3, heeds: false },
  };
}

function anyRecipe(chance: Chance): Recipe {
  const contexts = chance.pick([1, 2, 2, 2, 3, 3, 4]);
  // Many worlds have one thing wrong, some have much of it, and some nothing.
  const at = (probability: number) => (chance.of(0.45) ? probability * chance.unit() : 0);
  const lasts = chance.pick([5_000, 30_000, 60_000, 120_000]);
  return {
    contexts,
    lasts,
    actions: chance.between(4, 32),
    kill: chance.of(0.5)
      ? { context: chance.between(0, contexts - 1), at: chance.between(1, 50) }
      : undefined,
    skew: chance.pick([0, 0, 2_000, 600_000]),
    server: {
      expiresIn: chance.pick([undefined, 3600, 20, 60]),
      grace: chance.pick([undefined, undefined, { within: 10_000 }, { uses: 1 }, { within: 60_000 }]),
      revokeOnRotate: chance.of(0.2),
    },
    network: {
      latency: chance.pick([0, 20, 400]),
      lost: at(0.5),
      slow: at(0.3),
      trouble: at(0.5),
    },
    store: {
      latency: chance.pick([0, 1, 30, 500]),
      lease: chance.pick([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 15_000]),
      loads: at(0.3),
      saves: at(0.5),
      sections: at(0.8),
      hints: at(0.8),
    },
    session: {
      refreshTimeout: chance.pick([10_000, 10_000, 2_000]),
      refreshAttempts: chance.pick([3, 3, 3, 2, 1]),
      refreshAhead: chance.pick([60_000, false, 5_000]),
      revokes: chance.of(0.4),
      heeds: chance.of(0.6),
    },
  };
}
