import { familyOf, type Input, type Machine } from "../../src/machine.ts";
import { ageOf, bitOf, codeOf, familyIn, generationIn, nameOf } from "./record.ts";
import { REFUSALS, type Scene } from "./scene.ts";
import type { Renewal, Request, State, Write } from "./state.ts";

const RETURNED = "a sign-in that could not be stored was rejected: what it replaced";

// What holds, said without looking at how it is kept. The names are those of the design's invariants.

/** Whom it serves changes only as the input allows. */
export function checkInput(scene: Scene, before: Machine, input: Input): void {
  const { state, violations, limits } = scene;
  const { machine } = state;
  const [was, is] = [codeOf(before.record), codeOf(machine.record)];
  if (was === is) return;
  if (familyIn(was) !== familyIn(is)) state.caused = 0;
  if (input.type === "signIn" || input.type === "signOut") {
    if (was !== 0) state.left |= 1 << familyIn(was);
    return;
  }
  if (is === 0) return;
  const isNewFamily = input.type === "found" || input.type === "read";
  if (!isNewFamily && familyIn(was) !== familyIn(is))
    violations.push(`I6: ${input.type} brings another family`);
  if (familyIn(was) === familyIn(is) && generationIn(is) <= generationIn(was))
    violations.push(`I6: ${input.type} brings an older generation`);
  if (state.left & (1 << familyIn(is))) {
    if (state.isHaunted)
      limits.push("a save that was given up landed after a sign-in or sign-out, and is found");
    else if (state.isReturned) limits.push(`${RETURNED} is served again`);
    else violations.push(`I6: ${nameOf(is)} is served again after a sign-in or sign-out`);
  }
}

/** A failed or rejected round settles all that waited for it, and only those. */
export function checkRound(scene: Scene, before: Machine, input: Extract<Input, { type: "ended" }>): void {
  const { state, violations, settled } = scene;
  const isOurs = before.round === input.round;
  const from = codeOf(input.round.from);
  if (!isOurs && settled.length > 0) violations.push("I8: a round that was overtaken settles somebody");
  if (!isOurs) return;
  const waits = state.requests.filter(({ phase, awaited }) => phase === "waiting" && awaited === from);
  if (waits.length > 0) violations.push("I8: the round has ended, and somebody still waits for it");
  if (settled.some(({ awaited }) => awaited !== from)) violations.push("I8: who did not wait for it settles");
}

export function checkQueue({ bounds, violations }: Scene, held: number): void {
  if (held > bounds.maxHeld) violations.push("I10: more are held than the limit allows");
}

export function checkBeginning({ state, violations }: Scene, { from, round }: Renewal): void {
  const others = state.rounds.filter((other) => other.phase !== "told" && !other.overtaken);
  if (others.some((other) => familyIn(other.from) === familyIn(from)))
    violations.push("I1: a second round of one family begins");
  if (round.reason === "refused" && ++state.caused > REFUSALS)
    violations.push("I11: refusals cause more rounds than their limit");
}

export function checkAsking({ state, violations, limits }: Scene, { from }: Renewal): void {
  if (state.redeemed & bitOf(from)) {
    if (state.isHaunted)
      limits.push("a save that was given up landed over what a peer had renewed, and its token is presented");
    else violations.push("I2: a refresh token is presented after its answer was read");
  }
  if (codeOf(state.machine.record) !== from)
    violations.push("I6: an attempt for what is not served any more");
}

export function checkLeaving(scene: Scene, request: Request, family: string): void {
  const { state, violations, bounds } = scene;
  const { sent, refused, sends, made } = request;
  const { machine } = state;
  if (refused !== 0 && generationIn(sent) <= generationIn(refused))
    violations.push("I3: a replay is not newer than what was refused");
  if (sends > 3) violations.push("I5: a fourth send");
  if (!(state.safe & bitOf(sent)))
    violations.push("I7: leaves before its tokens are stored, or said not to be");
  if (family !== made || `f${familyIn(sent)}` !== made) violations.push("I15: leaves under another family");
  if (sends > 1 || bounds.signs) return;
  const age = ageOf(machine.record);
  if (age === 2) violations.push("rule 3: leaves with a stale token");
  if (machine.round && machine.refused) violations.push("rule 3: leaves with a token that is being replaced");
  if (machine.round && age === 1 && !request.replayable)
    violations.push("rule 17: a stream leaves with an ageing token");
}

export function checkWrite({ state, violations }: Scene, { code }: Write): void {
  const isLeft = code !== 0 && (state.left & (1 << familyIn(code))) !== 0;
  if (isLeft && !state.isHaunted)
    violations.push(`I6: ${nameOf(code)} is stored after a sign-in or sign-out`);
}

/** What holds between two steps. */
export function checkState({ state, violations }: Scene): void {
  const { machine, rounds } = state;
  const running = rounds.filter(({ phase }) => phase !== "told");
  const ours = running.filter(({ round }) => round === machine.round);
  if (machine.round && ours.length !== 1) violations.push("I1: a round is in flight that nobody runs");
  const isLost = ({ round, overtaken }: Renewal) => !overtaken && round !== machine.round;
  if (machine.status !== "closed" && running.some(isLost))
    violations.push("I1: a round runs that is not in flight");
  if (running.filter(({ isInSection }) => isInSection).length > 1)
    violations.push("I1: two rounds in the exclusive section");
  const family = familyOf(machine);
  const isOver = ({ phase, made }: Request) => phase === "waiting" && made !== undefined && made !== family;
  if (state.requests.some(isOver)) violations.push("rule 12: somebody waits under a family that is over");
  const serves = ["restoring", "storing", "signedIn"].includes(machine.status);
  if (serves !== (machine.record !== null)) violations.push(`${machine.status}, yet ${machine.record}`);
  if (machine.status === "closed" && state.requests.some(({ phase }) => phase === "waiting"))
    violations.push("I12: closed, and somebody waits");
}

/** What holds once nothing is under way any more. */
export function checkRest({ state, violations, limits }: Scene): void {
  const { machine, requests, rounds, store } = state;
  if (requests.length > 0) violations.push(`stuck: request ${requests[0]?.id} is ${requests[0]?.phase}`);
  if (machine.round || rounds.some(({ phase }) => phase !== "told")) violations.push("stuck: a round");
  if (machine.status === "loading" || machine.status === "storing")
    violations.push(`stuck: ${machine.status}`);
  if (isBehind(state)) {
    if (state.isHaunted)
      limits.push("a save that was given up landed after a sign-in or sign-out, and stays");
    else if (state.isReturned) limits.push(`${RETURNED} stays in the store`);
    else violations.push(`I6: ${nameOf(store)} stays in the store after a sign-in or sign-out`);
  }
}

function isBehind({ store, left, machine }: State): boolean {
  return machine.status !== "closed" && store !== 0 && (left & (1 << familyIn(store))) !== 0;
}
