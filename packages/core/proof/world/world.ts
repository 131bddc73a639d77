import { createFamilies, type Families } from "../../../testing/src/families.ts";
import { createLog, type Log } from "../../../testing/src/log.ts";
import { readableTokens } from "../../../testing/src/tokens.ts";
import type { SessionRecord } from "../../src/index.ts";
import { type Chance, createChance } from "./chance.ts";
import type { Facts, Moment } from "./facts.ts";
import { createJudge, type Judge } from "./judge.ts";
import { createNetwork, type Network } from "./network.ts";
import { type Recipe, recipeOf } from "./recipe.ts";
import { createSharedStore, type SharedStore } from "./store.ts";
import { createTimeline, type Timeline } from "./timeline.ts";
import { populate, settle } from "./users.ts";
import type { Visitor } from "./visitor.ts";

/** Contexts that share a store, the servers that they ask, and all that befalls them. */
export interface World {
  readonly recipe: Recipe;
  readonly chance: Chance;
  readonly timeline: Timeline;
  readonly families: Families;
  readonly log: Log;
  readonly facts: Facts;
  readonly store: SharedStore;
  readonly network: Network;
  readonly judge: Judge;
  readonly visitors: readonly Visitor[];
  /** Some session was told something: what it makes of it comes before anything else. */
  touched: boolean;
  /** Nothing goes wrong any more. */
  readonly isCalm: boolean;
  moment(): Moment;
  next(what: string): number;
  tell(who: string, what: string): void;
  violate(what: string): void;
  count(what: string): void;
  limit(cause: string): void;
  nameOf(record: SessionRecord | null): string;
}

interface Line {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

/** What came of one world. */
export interface Report {
  readonly seed: number;
  readonly recipe: Recipe;
  readonly violations: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  /** What happened, line by line. */
  story(): string;
}

const MOST_STEPS = 20_000;

/** Runs the world of a seed to its end. */
export async function runWorld(seed: number): Promise<Report> {
  const chance = createChance(seed);
  const recipe = recipeOf(chance);
  const timeline = createTimeline();
  const { grace, revokeOnRotate } = recipe.server;
  const now = () => timeline.now;
  const rules = { tokens: readableTokens, rotate: true, grace, revokeOnRotate, now };
  const lines: Line[] = [];
  const violations: string[] = [];
  const limits: Record<string, number> = {};
  const counts: Record<string, number> = {};
  const serials: Record<string, number> = {};
  const visitors: Visitor[] = [];
  let moments = 0;

  const world: World = {
    recipe,
    chance,
    timeline,
    families: createFamilies(rules),
    log: createLog(),
    facts: { attempts: [], saves: [], leavings: [], held: new Set(), looked: new Map() },
    visitors,
    touched: false,
    get store() {
      return store;
    },
    get network() {
      return network;
    },
    get judge() {
      return judge;
    },
    get isCalm() {
      return timeline.now > recipe.lasts;
    },
    moment: () => ++moments,
    next: (what) => count(serials, what),
    tell: (who, what) => lines.push({ at: timeline.now, who, what }),
    violate(what) {
      violations.push(what);
      world.tell("VIOLATION", what);
    },
    count: (what) => void count(counts, what),
    limit: (cause) => void count(limits, cause),
    nameOf: (record) => record?.tokens.accessToken ?? "nothing",
  };
  const store = createSharedStore(world);
  const network = createNetwork(world);
  const judge = createJudge(world);

  populate(world, visitors);
  await happen(world);
  settle(world);
  await happen(world);
  judge.resting();
  for (const { context, session } of visitors) if (context.isAlive) void session.close();
  await happen(world);
  judge.closed();
  judge.looksBack();
  return { seed, recipe, violations, limits, counts, story: () => storyOf(lines) };
}

function count(counts: Record<string, number>, what: string): number {
  const counted = (counts[what] ?? 0) + 1;
  counts[what] = counted;
  return counted;
}

// One thing after the other. What a session is told it makes the most of before the next.
function happen(world: World): Promise<void> {
  let steps = 0;
  return new Promise((resolve) => {
    function turn(): void {
      world.touched = false;
      while (!world.touched) {
        if (steps++ === MOST_STEPS) world.violate("I12: it comes to no end");
        if (steps > MOST_STEPS || !world.timeline.step()) {
          resolve();
          return;
        }
      }
      setImmediate(turn);
    }
    setImmediate(turn);
  });
}

function storyOf(lines: readonly Line[]): string {
  return lines
    .map(({ at, who, what }, index) => `${index + 1}. ${(at / 1000).toFixed(3)} s  ${who}: ${what}`)
    .join("\n");
}
