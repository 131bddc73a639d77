import type { Clock } from "../../src/index.ts";
import type { Moment } from "./facts.ts";
import type { World } from "./world.ts";

/** A tab, a process, a machine: where one session runs, until it is killed. */
export interface Context {
  readonly name: string;
  readonly clock: Clock;
  readonly isAlive: boolean;
  readonly isAwake: boolean;
  /** Somebody in it waits for something. */
  readonly isWaiting: boolean;
  /** When it was killed. */
  readonly killed: Moment | undefined;
  /** Lets it learn of something in so many ms, unless it is dead by then; when it sleeps, once it wakes. Returns the undo. */
  learns(ms: number, run: () => void): () => void;
  /** Lets its user do something now. */
  acts(run: () => void): void;
  kill(): void;
  sleep(ms: number): void;
  wake(): void;
  /** Sets its clock on, or back. */
  jump(ms: number): void;
  onKill(run: () => void): void;
}

export function createContext(world: World, name: string, killAt = 0): Context {
  const { timeline, chance } = world;
  const waits = new Set<() => void>();
  const parked = new Set<() => void>();
  const onKill: (() => void)[] = [];
  let offset = chance.between(-world.recipe.skew, world.recipe.skew);
  let isAwake = true;
  let killed: Moment | undefined;
  let learned = 0;

  function learn(run: () => void): void {
    learned++;
    if (learned === killAt) kill();
    else {
      world.touched = true;
      run();
    }
  }

  function learns(ms: number, run: () => void): () => void {
    let undo = timeline.in(ms, function come() {
      if (killed !== undefined) return;
      if (isAwake) {
        learn(run);
        return;
      }
      const later = () => {
        undo = timeline.in(0, come);
      };
      parked.add(later);
      undo = () => parked.delete(later);
    });
    return () => undo();
  }

  function kill(): void {
    if (killed !== undefined) return;
    killed = world.moment();
    world.count("a context is killed");
    world.tell(name, `is killed after it has learned of ${learned - 1} things`);
    for (const run of onKill) run();
  }

  function wake(): void {
    if (isAwake) return;
    isAwake = true;
    if (killed === undefined) world.tell(name, "wakes");
    const come = [...parked];
    parked.clear();
    // What has piled up comes in any order.
    if (chance.of(0.5)) come.reverse();
    for (const later of come) later();
  }

  return {
    name,
    clock: {
      now: () => START + offset + Math.floor(timeline.now),
      random: chance.unit,
      timer(run, ms, keepAlive) {
        if (!keepAlive) return learns(ms, run);
        // It is to come long after everything else.
        waits.add(run);
        return () => waits.delete(run);
      },
    },
    get isAlive() {
      return killed === undefined;
    },
    get isAwake() {
      return isAwake;
    },
    get isWaiting() {
      return waits.size > 0;
    },
    get killed() {
      return killed;
    },
    learns,
    acts(run) {
      world.touched = true;
      run();
    },
    kill,
    sleep(ms) {
      world.count("a context sleeps");
      isAwake = false;
      world.tell(name, `sleeps for ${ms} ms`);
      timeline.in(ms, wake);
    },
    wake,
    jump(ms) {
      offset += ms;
      world.tell(name, `its clock jumps by ${ms} ms`);
    },
    onKill: (run) => onKill.push(run),
  };
}

const START = 1_700_000_000_000;
