import { settled } from "@freshtoken/testing";
import type { StoreKind } from "../commands/store.ts";
import type { Witness } from "../commands/witness.ts";
import { createWorld } from "../commands/world.ts";
import { createGates } from "./gates.ts";
import type { Intruder } from "./intruders.ts";
import type { Moment } from "./moments.ts";

/** Who comes when, and how many microtasks later. */
export interface Meeting {
  readonly store: StoreKind;
  readonly moment: Moment;
  readonly intruder: Intruder | undefined;
  readonly depth: number;
}

/** Lets two things meet, and everything come to its end. Undefined: with this store there is no such moment. */
export async function meet({ store, moment, intruder, depth }: Meeting): Promise<Witness | undefined> {
  let inspect = () => {};
  const drained = async () => {
    await settled();
    inspect();
  };
  const gates = createGates(drained);
  const world = createWorld({
    store,
    grace: false,
    maxHeld: Number.POSITIVE_INFINITY,
    refusals: 5,
    isStored: moment.isStored ?? false,
    turn: gates.turn,
    drained,
  });
  const { witness } = world;
  inspect = witness.inspect;
  const tip = await moment.prepare(world, gates);
  if (!tip) return undefined;
  witness.note(moment.name);
  tip();
  for (let tick = 0; tick < depth; tick++) await null;
  if (intruder) witness.note(`${depth} microtasks later: ${intruder.name}`);
  intruder?.comes(world, gates);
  await gates.rest(world);
  witness.concluded();
  const closed = world.session.close();
  await gates.rest(world);
  await closed;
  const left = {
    timers: world.clock.timers,
    subscriptions: world.shelf.listeners,
    listeners: world.listeners,
  };
  if (Object.values(left).some((count) => count > 0))
    witness.violated(`I12: after close() there are left ${JSON.stringify(left)}`);
  return witness;
}
