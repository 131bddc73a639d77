import { settled } from "@freshtoken/testing";
import fc from "fast-check";
import { arbitraries, type Model } from "./commands.ts";
import type { StoreKind } from "./store.ts";
import type { Witness } from "./witness.ts";
import { createWorld, type World } from "./world.ts";

const MOST_STEPS = 2_000;

interface Surroundings {
  readonly store: StoreKind;
  readonly grace: boolean;
  readonly maxHeld: number;
  readonly refusals: number;
  readonly lifetime: number | undefined;
  readonly begins: "signed in" | "signed out";
}

/** What one run is made of. */
export type Given = readonly [Surroundings, fc.Scheduler, Iterable<fc.AsyncCommand<Model, World>>];

const surroundings: fc.Arbitrary<Surroundings> = fc.record({
  store: fc.constantFrom<StoreKind>("memory", "private", "shared", "shared"),
  grace: fc.boolean(),
  maxHeld: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 2),
  refusals: fc.constantFrom(5, 5, 1),
  lifetime: fc.constantFrom(undefined, 3600, 100),
  begins: fc.constantFrom<Surroundings["begins"]>("signed in", "signed in", "signed in", "signed out"),
});

export const given: fc.Arbitrary<Given> = fc.tuple(
  surroundings,
  fc.scheduler(),
  fc.commands(arbitraries, { maxCommands: 40, size: "max" }),
);

/** Runs one order of things to its end. Returns the witness. */
export async function run([around, scheduler, commands]: Given): Promise<Witness> {
  let inspect = () => {};
  const drained = async () => {
    await settled();
    inspect();
  };
  const turn = (label: string) =>
    scheduler.schedule(Promise.resolve(), label, undefined, async (happens) => {
      await happens();
      await drained();
    });
  const world = createWorld({ ...around, turn, drained });
  const { witness } = world;
  inspect = witness.inspect;
  witness.note(
    Object.entries(around)
      .map(([name, value]) => `${name}: ${value}`)
      .join(", "),
  );
  if (around.begins === "signed in") {
    world.signIn(around.lifetime);
    await toRest(world, scheduler, drained);
  }
  await fc.scheduledModelRun(scheduler, () => ({ model: begun(around), real: world }), commands);
  await toRest(world, scheduler, drained);
  witness.concluded();
  if (!world.isClosed) await converge(world, scheduler, drained);
  await vanish(world, scheduler, drained);
  return witness;
}

function begun({ store }: Surroundings): Model {
  return { calls: 0, cancellable: 0, isClosed: false, isShared: store === "shared" };
}

async function toRest(world: World, scheduler: fc.Scheduler, drained: () => Promise<void>): Promise<void> {
  await drained();
  for (let step = 0; step < MOST_STEPS; step++) {
    if (scheduler.count() > 0) await scheduler.waitOne();
    else {
      const ms = world.clock.next();
      if (ms === undefined) return;
      await world.clock.advance(ms);
    }
    await drained();
  }
  world.witness.violated(`I12: it does not come to rest within ${MOST_STEPS} steps`);
}

// Whoever is told of it in the end serves what the store holds.
async function converge(world: World, scheduler: fc.Scheduler, drained: () => Promise<void>): Promise<void> {
  const { shelf, session, witness } = world;
  shelf.forgetFaults();
  shelf.hint();
  await toRest(world, scheduler, drained);
  if (witness.isTainted || session.state.status === "loading") return;
  const { state } = session;
  const served = state.status === "signedIn" ? state.tokens.refreshToken : undefined;
  const held = shelf.held?.tokens.refreshToken;
  witness.saw(served ? "ends signed in" : "ends signed out");
  if (served !== held)
    witness.violated(
      `rule 8: ${served ?? "nobody"} is served in the end, and the store holds ${held ?? "nothing"}`,
    );
}

async function vanish(world: World, scheduler: fc.Scheduler, drained: () => Promise<void>): Promise<void> {
  const { clock, shelf, session, witness } = world;
  let isOver = false;
  void session.close().then(() => {
    isOver = true;
  });
  await toRest(world, scheduler, drained);
  const left = { timers: clock.timers, subscriptions: shelf.listeners, listeners: world.listeners };
  if (!isOver) witness.violated("I12: close() does not end");
  if (Object.values(left).some((count) => count > 0))
    witness.violated(`I12: after close() there are left ${JSON.stringify(left)}`);
}
