import {
  FreshtokenError,
  NotReplayableError,
  notReplayableError,
  RefreshRejectedError,
} from "../../src/errors.ts";
import { checkLeaving } from "./invariants.ts";
import { codeOf, generationIn, nameOf } from "./record.ts";
import type { Scene } from "./scene.ts";
import type { Request } from "./state.ts";

const MAX_SENDS = 3;
const ABORTED = AbortSignal.abort(new DOMException("This request was aborted", "AbortError"));

/** One request is made, and goes as far as it goes without waiting: as `send` of exchange.ts begins. */
export function make(scene: Scene, replayable: boolean): void {
  const { state } = scene;
  const request: Request = {
    id: ++state.made,
    phase: "replaying",
    isRefused: false,
    made: undefined,
    stamp: undefined,
    replayable,
    sends: 0,
    hasWaited: false,
    kept: false,
    aborted: false,
    sent: 0,
    refused: 0,
    held: false,
    beyond: 0,
    lenient: false,
    awaited: 0,
  };
  state.unmade--;
  if (!replayable) state.streams--;
  state.requests.push(request);
  request.made = scene.gate.family();
  turn(scene, request);
}

/** From the top of the loop of `send` to where it waits. */
function turn(scene: Scene, request: Request): void {
  attemptTo(scene, request, () => {
    if (holds(scene, request)) return;
    const sent = request.made ? scene.gate.served(request.made) : null;
    if (!sent) return settleAs(scene, request, "passed through");
    if (!scene.bounds.signs) return leave(scene, request, codeOf(sent));
    request.phase = "authorizing";
    request.sent = codeOf(sent);
  });
}

function holds(scene: Scene, request: Request): boolean {
  if (request.hasWaited || request.made === "") return false;
  const { replayable, sends, aborted } = request;
  const signal = aborted ? ABORTED : null;
  scene.request = request;
  return scene.gate.hold(request.made, { signal, replayable, held: sends === 0 }) !== undefined;
}

/** Who was woken judges anew. */
export function wokenUp(scene: Scene, request: Request): void {
  if (request.isRefused) {
    attemptTo(scene, request, () => renewed(scene, request));
    return;
  }
  request.made ??= request.stamp;
  request.hasWaited = request.sends > 0;
  turn(scene, request);
}

/** Its fields are there. */
export function authorized(scene: Scene, request: Request): void {
  attemptTo(scene, request, () => leave(scene, request, request.sent));
}

function leave(scene: Scene, request: Request, sent: number): void {
  if (request.aborted) throw ABORTED.reason;
  const { family } = scene.gate.served(request.made ?? "");
  request.sends++;
  request.sent = sent;
  request.phase = "sent";
  request.kept = false;
  request.awaited = 0;
  checkLeaving(scene, request, family);
  if (request.sends === MAX_SENDS) scene.witness("three sends");
  scene.told.push(`request ${request.id} leaves with ${nameOf(sent)}`);
}

/** A 401 arrives, and is told to the session: `renewed` of exchange.ts. */
export function refuse(scene: Scene, request: Request): void {
  request.refused = request.sent;
  attemptTo(scene, request, () => renewed(scene, request));
}

// Until newer tokens are there; or it waits for them; or there are none to be had.
function renewed(scene: Scene, request: Request): void {
  const { gate } = scene;
  const sent = { family: request.made ?? "", generation: generationIn(request.sent), tokens: {} };
  request.isRefused = true;
  if (gate.served(sent.family).generation === sent.generation) {
    const isOver = request.hasWaited || request.sends === MAX_SENDS || !gate.refused(sent);
    if (isOver) {
      settleAs(scene, request, "its 401");
      return;
    }
    giveBack(request);
    if (request.aborted) throw ABORTED.reason;
    scene.request = request;
    request.phase = "replaying";
    void gate.newer(sent, null);
    // It is there already: looked at again at once, as the loop does.
    if (isReplaying(request)) request.phase = "woken";
    return;
  }
  request.hasWaited ||= request.kept;
  request.phase = "replaying";
}

function isReplaying({ phase }: Request): boolean {
  return phase === "replaying";
}

/** Newer tokens than it was refused with are there: the end of the loop of `send`, and its top. */
export function replay(scene: Scene, request: Request): void {
  request.isRefused = false;
  if (request.sends === MAX_SENDS) {
    settleAs(scene, request, "its 401");
    return;
  }
  attemptTo(scene, request, () => {
    giveBack(request);
    turn(scene, request);
  });
}

function giveBack(request: Request): void {
  request.kept = true;
  if (!request.replayable) throw notReplayableError();
}

/** Its caller aborts. Who waits, or is on the wire, rejects at once; the rest when they look. */
export function abort(scene: Scene, request: Request): void {
  request.aborted = true;
  if (request.phase === "waiting" || request.phase === "sent") settle(scene, request, ABORTED.reason);
}

function attemptTo(scene: Scene, request: Request, act: () => void): void {
  try {
    act();
  } catch (error) {
    settle(scene, request, error);
  }
}

/** It rejects; or resolves with the refusal, where that says more. */
export function settle(scene: Scene, request: Request, error: unknown): void {
  const isRefusal = error instanceof RefreshRejectedError && request.refused !== 0;
  settleAs(scene, request, isRefusal ? "its 401" : wordOf(error));
}

function wordOf(error: unknown): string {
  if (error === ABORTED.reason) return "aborted";
  if (error instanceof NotReplayableError) return "NotReplayableError";
  if (error instanceof FreshtokenError) return error.name;
  throw error;
}

export function settleAs({ state, told, settled, violations }: Scene, request: Request, how: string): void {
  const index = state.requests.indexOf(request);
  if (index < 0) violations.push(`I4: request ${request.id} settles twice`);
  else state.requests.splice(index, 1);
  settled.push({ id: request.id, how, awaited: request.awaited });
  told.push(`request ${request.id} settles: ${how}`);
}
