import {
  type Connection,
  createSession,
  type Session,
  type SessionEvent,
  type TokenSet,
} from "../../src/index.ts";
import { type Context, createContext } from "./context.ts";
import type { Moment } from "./facts.ts";
import type { Made } from "./network.ts";
import type { World } from "./world.ts";

/** A context with its session, and the user in front of it. */
export interface Visitor {
  readonly context: Context;
  readonly session: Session;
  /** What was asked of the session. */
  readonly calls: readonly Call[];
  /** What it served once, and left. */
  readonly left: ReadonlySet<number>;
  /** What it left, and came to serve once more, since the store held it again. */
  readonly returned: ReadonlySet<number>;
  /** When it last said `storeFailed`; 0: never. */
  complained(): Moment;
  /** The sign-ins whose refresh tokens were rejected before it. */
  readonly rejected: Set<number>;
  /** Its user has signed out, or what it served was rejected. */
  mayEmpty(): boolean;
  send(): void;
  ask(what: "tokens" | "refresh"): void;
  signIn(): void;
  signOut(): void;
}

interface Call {
  readonly name: string;
  settled: number;
}

export function createVisitor(world: World, name: string, killAt?: number): Visitor {
  const { chance, families, log, network, recipe, timeline } = world;
  const context = createContext(world, name, killAt);
  const calls: Call[] = [];
  const left = new Set<number>();
  const returned = new Set<number>();
  let serving: number | null | undefined;
  let complained: Moment = 0;
  const rejected = new Set<number>();
  let hasSignedOut = false;

  const session: Session = createSession({
    clock: context.clock,
    store: world.store.peer(context),
    refreshTimeout: recipe.session.refreshTimeout,
    refreshAttempts: recipe.session.refreshAttempts,
    refreshAhead: recipe.session.refreshAhead,
    refresh(call) {
      const began = timeline.now;
      call.signal.addEventListener("abort", () => {
        if (timeline.now < began + recipe.session.refreshTimeout)
          world.violate(`I9: an attempt of ${name} was ended before its deadline`);
      });
      // Whenever the client asks whether it may pass.
      context.learns(chance.between(0, 100), () => {
        if (!connection.owns(call.signal))
          world.violate(`rule 18: ${name} does not know the signal that it gave to refresh`);
      });
      return network.refresh(context, call);
    },
    ...(recipe.session.revokes ? { revoke } : {}),
  });
  const connection: Connection = session.connect({ origins: ["https://api.test"] });
  session.subscribe(heard);

  function heard(event: SessionEvent): void {
    if (event.type === "storeFailed") complained = world.moment();
    if (event.type === "signedOut") {
      world.tell(name, `is signed out by ${event.by}${event.error ? `: ${event.error.message}` : ""}`);
      if (event.error) world.judge.rejected(context, serving ?? 0);
    }
    if (event.type === "refreshFailed") world.tell(name, event.error.message);
    notice();
  }

  // Who signs out before it is known who is signed in, means whoever is found.
  function revoke({ accessToken, refreshToken = "" }: TokenSet): Promise<void> {
    const family = families.trace(accessToken)?.family ?? 0;
    if (!left.has(family)) {
      returned.add(family);
      world.count("a sign-out whose session did not know yet who was signed in");
    }
    return network.revoke(context, refreshToken);
  }

  function served(): number | null | undefined {
    const { state } = session;
    if (state.status === "signedIn") return families.trace(state.tokens.accessToken)?.family;
    return state.status === "signedOut" ? null : undefined;
  }

  // Whom it serves by now.
  function notice(): void {
    const now = served();
    if (now === serving) return;
    if (serving) {
      left.add(serving);
      world.facts.leavings.push({ by: context, family: serving, at: world.moment() });
    }
    serving = now;
    if (now && left.delete(now)) returned.add(now);
    world.tell(
      name,
      now ? `serves sign-in ${now}` : now === null ? "serves nobody" : "does not know whom it serves",
    );
  }

  function await_(name: string, work: Promise<unknown>): void {
    const call: Call = { name, settled: 0 };
    calls.push(call);
    const settle = (how: string) => {
      call.settled++;
      world.tell(context.name, `${name} ${how}`);
    };
    work.then(
      () => settle("ends"),
      (error) => settle(`rejects: ${error?.code ?? error?.message ?? error}`),
    );
  }

  function signal(): AbortSignal | undefined {
    if (!chance.of(0.15)) return undefined;
    const controller = new AbortController();
    context.learns(chance.between(0, 2_000), () => {
      world.tell(name, "aborts");
      controller.abort(new Error("aborted"));
    });
    return controller.signal;
  }

  return {
    context,
    session,
    calls,
    left,
    returned,
    complained: () => complained,
    rejected,
    mayEmpty: () => (serving ? rejected.has(serving) : hasSignedOut || rejected.size > 0),
    send() {
      const made: Made = { request: `q${world.next("request")}`, family: served() };
      const aborts = signal();
      world.tell(name, `makes ${made.request}`);
      const sending = connection.send({
        url: `https://api.test/${made.request}`,
        method: "GET",
        signal: aborts ?? null,
        replayable: chance.of(0.9),
        send: ({ authorization }) => network.request(context, made, authorization?.slice(7), aborts ?? null),
        answer: (response) => ({ status: response.status, field: () => null, response }),
        release: (response) => response,
      });
      await_(made.request, sending);
    },
    ask(what) {
      const call = `${what}() ${world.next("call")}`;
      world.tell(name, call);
      await_(call, session[what]({ signal: signal() }));
    },
    signIn() {
      const { family, issued, response } = families.signIn(recipe.server.expiresIn, true);
      log.note({ at: "signIn", family, issued });
      world.tell("server", `signs ${name} in: ${issued.access} ${issued.refresh}`);
      context.learns(chance.pick([0, 0, 300]), () => {
        world.tell(name, `signIn ${family}`);
        await_(`signIn ${family}`, session.signIn(response));
        notice();
      });
    },
    signOut() {
      world.tell(name, "signOut");
      hasSignedOut = true;
      await_("signOut", session.signOut());
      notice();
    },
  };
}
