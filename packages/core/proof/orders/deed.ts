import type { Act, Looker } from "./act.ts";
import { DEADLINE, type Reality, SLEEP } from "./reality.ts";
import { type Code, codeAt, familyIn, generationIn } from "./record.ts";
import type { Look, State } from "./state.ts";

// Does to a real session what a step does to the model. The state is the one before the step.

export function lookOf(state: State, looker: Looker): Look | null {
  if (looker === "opening") return state.opening;
  if (looker === "hint") return state.hinted;
  if (looker === "writer") return state.writing?.look ?? null;
  return state.rounds[looker]?.look ?? null;
}

export function doTo(reality: Reality, state: State, act: Act): void {
  switch (act.type) {
    case "make":
      reality.make(act.replayable);
      break;
    case "respond":
      reality.sendings[act.request - 1]?.wire?.resolve({ status: act.status });
      break;
    case "abort":
      reality.sendings[act.request - 1]?.controller.abort();
      break;
    case "enter":
      reality.turns[(state.rounds[act.round]?.turn ?? 0) - 1]?.resolve();
      break;
    case "noSection":
      reality.fire(reality.turns[(state.rounds[act.round]?.turn ?? 0) - 1]?.timer);
      break;
    case "look":
      return;
    case "tell":
    case "unreadable":
      tell(reality, lookOf(state, act.looker), act.type === "tell");
      break;
    case "answer":
      answer(reality, state, act);
      break;
    case "lateAnswer":
      bring(reality, state, act.round, act.attempt);
      break;
    case "save":
      save(reality, state, act.how);
      break;
    case "ghost":
      haunt(reality, state, act.index);
      break;
    case "peer":
      peer(reality, state, act.how);
      break;
    case "hint":
      reality.hint();
      break;
    case "again":
      reality.fire([...reality.timers].find(({ ms }) => ms < DEADLINE && ms !== SLEEP));
      break;
    case "backOff":
      reality.fire(
        [...reality.timers].find(({ ms }) => ms === SLEEP) ??
          [...reality.timers].find(({ ms }) => ms < DEADLINE),
      );
      break;
    case "age":
      age(reality);
      break;
    case "cool":
      reality.pass(31_000);
      break;
    case "window":
      reality.pass(3_600_001);
      break;
    case "signIn":
      return void reality.session.signIn(reality.tokensOf(codeAt(state.families, 0)));
    case "signOut":
      return void reality.session.signOut();
    case "close":
      return void reality.session.close();
  }
}

// It is fresh when it comes: what ages, ages where it is served.
function tell({ loads, recordOf }: Reality, look: Look | null, isReadable: boolean): void {
  const load = loads[(look?.call ?? 0) - 1];
  if (isReadable) load?.resolve(recordOf(look?.seen ?? 0));
  else load?.reject(new Error("the disk is gone"));
}

function answer(reality: Reality, state: State, { round, how }: Extract<Act, { type: "answer" }>): void {
  const renewal = state.rounds[round];
  const attempt = reality.attempts[(renewal?.calls.at(-1) ?? 0) - 1];
  if (!renewal || !attempt) throw new Error("no such attempt");
  const headers = { "retry-after": "1" };
  switch (how) {
    case "ok":
      bring(reality, state, round, renewal.attempts);
      break;
    case "rotated":
      attempt.resolve({ refreshToken: reality.tokensOf(after(renewal.from)).refreshToken });
      break;
    case "failed":
      attempt.reject({ status: 503, headers });
      break;
    case "lost":
      attempt.reject({ status: 504, headers });
      break;
    case "permanent":
      attempt.reject({ status: 401, error: "invalid_client" });
      break;
    case "rejected":
      attempt.resolve(null);
      break;
    case "late":
      reality.fire(attempt.timer);
      break;
  }
}

function bring({ attempts, tokensOf }: Reality, state: State, round: number, number: number): void {
  const renewal = state.rounds[round];
  if (renewal) attempts[(renewal.calls[number - 1] ?? 0) - 1]?.resolve(tokensOf(after(renewal.from)));
}

function after(code: Code): Code {
  return codeAt(familyIn(code), generationIn(code) + 1);
}

function save(reality: Reality, state: State, how: Extract<Act, { type: "save" }>["how"]): void {
  const call = reality.saves.at(-1);
  if (!call) throw new Error("nothing is saved");
  switch (how) {
    case "reaches":
      return void land(reality, reality.saves.length);
    case "answers":
      call.resolve(state.writing?.written === "stored");
      break;
    case "fails":
      call.reject(new Error("the disk is full"));
      break;
    case "loses":
      call.resolve(false);
      break;
    case "late":
    case "silent":
      reality.fire(call.timer);
      break;
  }
}

function land({ saves, world, isSame }: Reality, number: number): void {
  const call = saves[number - 1];
  if (!call) throw new Error("no such save");
  if (call.expected === undefined || isSame(world.held, call.expected)) world.held = call.record;
}

function haunt(reality: Reality, state: State, index: number): void {
  land(reality, state.ghosts[index]?.call ?? 0);
}

function peer({ world, recordOf }: Reality, state: State, how: Extract<Act, { type: "peer" }>["how"]): void {
  if (how === "signsOut") world.held = null;
  if (how === "signsIn") world.held = recordOf(codeAt(state.families, 0));
  if (how === "renews") world.held = recordOf(after(state.store));
}

function age(reality: Reality): void {
  const { state } = reality.session;
  const expiresAt = state.status === "signedIn" ? state.tokens.expiresAt : undefined;
  if (expiresAt === undefined) throw new Error("no token can age");
  const left = expiresAt - reality.now();
  reality.pass(left > 43_200_000 ? left - 43_200_000 : left);
}
