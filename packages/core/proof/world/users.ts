import { createVisitor, type Visitor } from "./visitor.ts";
import type { World } from "./world.ts";

type Action = (world: World, visitor: Visitor) => void;

const send: Action = (_, visitor) => visitor.send();
const burst: Action = ({ chance }, visitor) => {
  for (let count = chance.between(2, 4); count > 0; count--) visitor.send();
};
const refresh: Action = (_, visitor) => visitor.ask("refresh");
const tokens: Action = (_, visitor) => visitor.ask("tokens");
const signIn: Action = (_, visitor) => visitor.signIn();
const signOut: Action = (_, visitor) => visitor.signOut();
const kill: Action = (_, { context }) => context.kill();
const sleep: Action = ({ chance }, { context }) => context.sleep(chance.pick([500, 12_000, 100_000]));
const jump: Action = ({ chance }, { context }) =>
  context.jump(chance.pick([-3_600_000, -20_000, 20_000, 3_600_000]));
const expire: Action = ({ families, log, tell }) => {
  const expired = families.expire();
  log.note({ at: "expire", tokens: expired });
  tell("server", `refuses ${expired.join(" ")} from now on`);
};
// What was accepted a moment ago is refused, by whomever it is sent.
const refuse: Action = (world, visitor) => {
  expire(world, visitor);
  burst(world, visitor);
};
// Its token has not much of its life left.
const age: Action = (world, visitor) => {
  visitor.context.jump(850 * (world.recipe.server.expiresIn ?? 0));
  burst(world, visitor);
};
const withdraw: Action = ({ families, log, tell }) => {
  const withdrawn = families.withdraw();
  log.note({ at: "withdraw", families: withdrawn });
  tell("server", `ends sign-in ${withdrawn.join(" ")}`);
};

// As often as listed.
const actions: readonly [Action, ...Action[]] = [
  ...[send, send, send],
  ...[burst, burst, expire, expire],
  ...[refuse, refuse, refuse, refuse, refuse, refuse, refuse, refuse],
  ...[refresh, refresh, refresh, refresh, age, age, age],
  ...[tokens, signIn, signIn, signOut, sleep, jump, kill, withdraw],
] as unknown as [Action, ...Action[]];

/** Opens the contexts, signs somebody in, and plans what users and servers do. */
export function populate(world: World, visitors: Visitor[]): void {
  const { chance, recipe, timeline } = world;
  const { contexts, kill, lasts } = recipe;

  function open(index: number): void {
    const name = String.fromCharCode(65 + visitors.length);
    world.tell(name, "opens");
    const visitor = createVisitor(world, name, kill?.context === index ? kill.at : undefined);
    visitors.push(visitor);
    visitor.context.onKill(() => {
      if (visitors.length < 6 && chance.of(0.5)) timeline.in(chance.pick([0, 1_000, 20_000]), () => open(-1));
    });
    world.touched = true;
  }

  open(0);
  timeline.in(chance.pick([0, 50]), () => acting(visitors[0], signIn));
  for (let index = 1; index < contexts; index++) timeline.in(chance.pick([0, 100, 1_000]), () => open(index));
  for (let at = chance.between(0, 2_000), left = recipe.actions; left > 0; left--) {
    const action = chance.pick(actions);
    timeline.in(at, () => acting(chance.pick(visitors as [Visitor, ...Visitor[]]), action));
    at = Math.min(lasts, at + chance.pick([0, 0, 1, 20, 500, lasts / recipe.actions, lasts / 4]));
  }

  function acting(visitor: Visitor | undefined, action: Action): void {
    if (!visitor?.context.isAlive || !visitor.context.isAwake) return;
    world.touched = true;
    action(world, visitor);
  }
}

/** Lets everybody wake, look around, and make one more request. */
export function settle({ visitors, store, timeline, recipe }: World): void {
  timeline.in(Math.max(0, recipe.lasts - timeline.now) + 1, () => {
    for (const { context } of visitors) context.wake();
    store.hint();
    for (const { context, send } of visitors) if (context.isAlive) context.learns(1_000, send);
  });
}
