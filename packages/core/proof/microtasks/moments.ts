import type { RefreshFault, World } from "../commands/world.ts";
import type { Gates } from "./gates.ts";

/** What is going on when somebody else comes: the world is brought to its brink, and then over it. */
export interface Moment {
  readonly name: string;
  readonly isStored?: boolean;
  /** Answers what tips it over; undefined: this store knows no such moment. */
  prepare(world: World, gates: Gates): Promise<(() => void) | undefined>;
}

// Two requests are refused, the answer to the second still to come; a third and tokens() wait for the refresh.
async function refused(world: World, gates: Gates, fault?: RefreshFault): Promise<void> {
  world.signIn();
  await gates.rest(world);
  world.server.expire();
  if (fault) world.nextRefresh(fault);
  const first = world.send();
  world.send();
  await gates.open(`the answer to ${first.name}`);
  world.send({ isCancellable: true });
  world.tokens();
}

function during(name: string, label: string, fault?: RefreshFault): Moment {
  return {
    name,
    async prepare(world, gates) {
      await refused(world, gates, fault);
      return gates.reach(label);
    },
  };
}

function asked(name: string, label: string): Moment {
  return {
    name,
    async prepare(world, gates) {
      world.signIn();
      await gates.rest(world);
      world.refresh(true);
      world.tokens();
      return gates.reach(label);
    },
  };
}

function ageing(name: string, label: string): Moment {
  return {
    name,
    async prepare(world, gates) {
      world.signIn(100);
      await gates.rest(world);
      await world.clock.advance(80_000);
      world.send();
      world.send({ replayable: false, isCancellable: true });
      return gates.reach(label);
    },
  };
}

function storing(name: string, label: string, deed: (world: World) => void): Moment {
  return {
    name,
    async prepare(world, gates) {
      await refused(world, gates);
      await gates.reach("the answer to 1.r0");
      deed(world);
      world.send({ isCancellable: true });
      return gates.reach(label);
    },
  };
}

function atOnce(name: string, deed: (world: World) => void): Moment {
  return {
    name,
    async prepare(world, gates) {
      await refused(world, gates);
      await gates.reach("the answer to 1.r0");
      return () => deed(world);
    },
  };
}

export const moments: readonly Moment[] = [
  during("the section opens", "the section opens"),
  during("the round has looked into the store", "the store answers 1.r0"),
  during("the refresh token arrives", "1.r0 arrives"),
  during("the refresh is answered", "the answer to 1.r0"),
  during("the refresh is answered with the same access token", "the answer to 1.r0", "again"),
  during("the refresh is answered with what cannot be used", "the answer to 1.r0", "unusable"),
  during("the rejection is told", "the answer to 1.r0", "rejected"),
  during("the failure is told", "the answer to 1.r0", "misconfigured"),
  during("the failure is told, to be tried again", "the answer to 1.r0", "failed"),
  during("the answer is lost", "the answer to 1.r0", "lost before"),
  during("the store writes the new tokens", "the store writes 1.r1"),
  during("the save ends, and the held are released", "the store has written 1.r1"),
  ageing("the refresh of an ageing token arrives", "1.r0 arrives"),
  ageing("the refresh of an ageing token is answered", "the answer to 1.r0"),
  asked("a refresh that somebody asked for arrives", "1.r0 arrives"),
  asked("a refresh that somebody asked for is answered", "the answer to 1.r0"),
  {
    name: "the attempt is given up",
    async prepare(world, gates) {
      await refused(world, gates, "hangs");
      await gates.reach("what never comes");
      return () => void world.clock.strike();
    },
  },
  {
    name: "the save of the new tokens is given up",
    async prepare(world, gates) {
      await refused(world, gates);
      world.shelf.next("save", "hangs");
      await gates.reach("what never comes");
      return () => void world.clock.strike();
    },
  },
  {
    name: "the first load ends",
    isStored: true,
    async prepare(world, gates) {
      world.send();
      world.send({ isCancellable: true });
      world.tokens();
      return gates.reach("the store answers");
    },
  },
  {
    name: "a look after a hint ends",
    async prepare(world, gates) {
      await refused(world, gates);
      await gates.reach("the answer to 1.r0");
      world.shelf.hint();
      return gates.reach("the store answers");
    },
  },
  atOnce("signOut is called", (world) => world.signOut()),
  atOnce("signIn is called", (world) => world.signIn()),
  storing("the sign-in is saved", "the store has written 2.r0", (world) => world.signIn()),
  storing("the sign-out is saved", "the store has written nothing", (world) => world.signOut()),
];
