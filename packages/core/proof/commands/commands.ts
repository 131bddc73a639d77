import fc from "fast-check";
import type { StoreFault } from "./store.ts";
import type { RefreshFault, World } from "./world.ts";

/** What the commands know beforehand: whether they can happen at all. */
export interface Model {
  calls: number;
  cancellable: number;
  isClosed: boolean;
  readonly isShared: boolean;
}

type Command = fc.AsyncCommand<Model, World>;

interface Deed {
  readonly name: string;
  check?(model: Readonly<Model>): boolean;
  run(world: World, model: Model): void | Promise<void>;
}

function command({ name, check = () => true, run }: Deed): Command {
  return {
    check,
    async run(model, world) {
      world.witness.saw(`command: ${name}`);
      await run(world, model);
      await world.drained();
    },
    toString: () => name,
  };
}

const REFRESH_FAULTS: readonly RefreshFault[] = [
  "again",
  "failed",
  "asked to wait",
  "asked to wait long",
  "misconfigured",
  "rejected",
  "null",
  "lost before",
  "lost after",
  "unusable",
  "hangs",
];
const STORE_FAULTS: readonly StoreFault[] = ["fails", "torn", "hangs"];

function ask(name: string, isCancellable: boolean, run: (world: World) => unknown): Command {
  return command({
    name: isCancellable ? `${name}, cancellable` : name,
    run(world, model) {
      model.calls++;
      if (isCancellable) model.cancellable++;
      run(world);
    },
  });
}

const flag = fc.boolean();
const seldom = fc.integer({ min: 0, max: 9 }).map((draw) => draw === 9);

const requests = flag.chain((isCancellable) =>
  seldom.map((once) =>
    ask(once ? "send once" : "send", isCancellable, (world) =>
      world.send({ replayable: !once, isCancellable }),
    ),
  ),
);
const tokens = flag.map((isCancellable) =>
  ask("tokens", isCancellable, (world) => world.tokens(isCancellable)),
);
const refreshes = flag.map((isCancellable) =>
  ask("refresh", isCancellable, (world) => world.refresh(isCancellable)),
);
const aborts = fc.nat(7).map((which) =>
  command({
    name: "abort",
    check: ({ cancellable }) => cancellable > 0,
    async run(world) {
      const before = unsettled(world);
      const isDone = world.abort(which);
      const aborted = world.witness.calls.filter(({ signal }) => signal?.aborted);
      await settle();
      // I9: nobody else hears of it.
      const gone = before.filter((call) => call.place === "settled" && !aborted.includes(call));
      if (gone.length > 0) world.witness.violated(`I9: an abort settles ${gone.map(({ name }) => name)}`);
      const left = aborted.filter((call) => call.place !== "settled");
      if (left.length > 0)
        world.witness.violated(`rule 15: ${left.map(({ name }) => name)} outlives its abort`);
      if (isDone) world.witness.saw("aborted");
    },
  }),
);
const signIns = fc.constantFrom(undefined, 3600, 100, 40).map((lifetime) =>
  command({
    name: `sign in${lifetime ? ` for ${lifetime} s` : ""}`,
    check: ({ isClosed }) => !isClosed,
    run: (world) => world.signIn(lifetime),
  }),
);
const signOuts = fc.constant(
  command({ name: "sign out", check: ({ isClosed }) => !isClosed, run: (world) => world.signOut() }),
);
const expiries = fc.constant(
  command({
    name: "the access tokens expire at the server",
    run(world) {
      world.witness.note("the server refuses every access token issued so far");
      world.server.expire();
    },
  }),
);
const refusals = fc.constant(
  command({ name: "the next request is refused", run: (world) => world.refuseNext() }),
);
const refreshFaults = fc.constantFrom(...REFRESH_FAULTS).map((fault) =>
  command({
    name: `the next refresh: ${fault}`,
    run: (world) => world.nextRefresh(fault),
  }),
);
const storeFaults = fc
  .tuple(fc.constantFrom("load", "save", "save", "exclusive"), fc.constantFrom(...STORE_FAULTS))
  .map(([call, fault]) =>
    command({ name: `the next ${call} ${fault}`, run: (world) => world.shelf.next(call as "load", fault) }),
  );
const passes = fc.constantFrom(200, 1_000, 4_000, 11_000, 31_000, 40_000).map((ms) =>
  command({
    name: `${ms} ms pass`,
    async run(world) {
      world.witness.note(`${ms} ms pass`);
      await world.clock.advance(ms);
    },
  }),
);
const jumps = fc.constantFrom(-3_600_000, -5_000, 20_000, 90_000, 7_200_000).map((ms) =>
  command({
    name: `the clock jumps by ${ms} ms`,
    run(world) {
      world.witness.note(`the clock jumps by ${ms} ms`);
      world.witness.jumped();
      world.clock.jump(ms);
    },
  }),
);
const others = fc
  .tuple(fc.constantFrom("renews", "renews", "signs in", "signs out"), flag)
  .map(([deed, isHeard]) =>
    command({
      name: `another ${deed}${isHeard ? "" : ", unheard"}`,
      check: ({ isShared }) => isShared,
      run: (world) => world.another(deed as "renews", isHeard),
    }),
  );
const hints = fc.constant(
  command({ name: "a hint", check: ({ isShared }) => isShared, run: (world) => world.shelf.hint() }),
);
const closes = fc.constant(
  command({
    name: "close",
    check: ({ isClosed, calls }) => !isClosed && calls > 2,
    run(world, model) {
      model.isClosed = true;
      void world.close();
    },
  }),
);

/** Everything that can happen; what happens often is named often. */
export const arbitraries: fc.Arbitrary<Command>[] = [
  requests,
  requests,
  requests,
  requests,
  tokens,
  refreshes,
  aborts,
  signIns,
  signOuts,
  expiries,
  expiries,
  refusals,
  refreshFaults,
  refreshFaults,
  storeFaults,
  passes,
  passes,
  jumps,
  others,
  others,
  hints,
  closes,
];

/** The names of all commands, for who wants to know whether each has happened. */
export const kinds: readonly string[] = [
  "send",
  "send once",
  "tokens",
  "refresh",
  "abort",
  "sign in",
  "sign out",
  "the access tokens expire at the server",
  "the next request is refused",
  ...REFRESH_FAULTS.map((fault) => `the next refresh: ${fault}`),
  ...STORE_FAULTS.flatMap((fault) =>
    ["load", "save", "exclusive"].map((call) => `the next ${call} ${fault}`),
  ),
  "11000 ms pass",
  "the clock jumps by -3600000 ms",
  "the clock jumps by 7200000 ms",
  "another renews",
  "another renews, unheard",
  "another signs in",
  "another signs in, unheard",
  "another signs out",
  "another signs out, unheard",
  "a hint",
  "close",
];

function unsettled(world: World) {
  return world.witness.calls.filter(({ place }) => place !== "settled");
}

// Long enough for a rejection to reach its caller; no other task runs meanwhile.
async function settle(): Promise<void> {
  for (let tick = 0; tick < 20; tick++) await Promise.resolve();
}
