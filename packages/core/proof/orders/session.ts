import { createGate } from "../../src/gate.ts";
import { type Effect, familyOf, type Input, transition } from "../../src/machine.ts";
import { settingsOf } from "../../src/options.ts";
import type { Queue } from "../../src/queue.ts";
import type { Bounds } from "./bounds.ts";
import { enqueue, forgetWishes, newLook } from "./desk.ts";
import { checkInput, checkQueue, checkRound } from "./invariants.ts";
import { codeOf, NOW } from "./record.ts";
import { awaken, begin, end } from "./renewal.ts";
import { settle } from "./requests.ts";
import { REFUSALS, type Scene } from "./scene.ts";
import type { Request, State } from "./state.ts";

/** Sets the scene, as session.ts does: the machine decides, and what it decides is carried out. */
export function createScene(bounds: Bounds, witness: (name: string) => void): Scene {
  const inputs: Input[] = [];
  const settings = settingsOf({
    refresh: async () => null,
    clock: { now: () => NOW, random: () => 0, timer: () => () => {} },
    refusalLimit: { max: REFUSALS, within: 1_000 },
    maxHeld: bounds.maxHeld,
  });
  const gate = createGate({
    settings,
    queue: queueOf(() => scene),
    own: new WeakSet(),
    machine: () => scene.state.machine,
    isClosing: () => scene.state.closing > 0,
    dispatch: (input) => scene.dispatch(input),
    emit() {},
    underWay() {},
  });

  // Inputs that come while one is carried out wait for its effects.
  function dispatch(input: Input): void {
    if (inputs.push(input) > 1) return;
    for (const next of inputs) {
      const before = scene.state.machine;
      const [moved, effects] = transition(before, next, settings);
      scene.state.machine = moved;
      checkInput(scene, before, next);
      for (const effect of effects) perform(scene, effect);
      if (next.type === "ended") checkRound(scene, before, next);
    }
    inputs.length = 0;
  }

  const scene: Scene = {
    bounds,
    gate,
    // Set before each step.
    state: undefined as unknown as State,
    request: null,
    dispatch,
    witness,
    violations: [],
    limits: [],
    told: [],
    settled: [],
  };
  return scene;
}

function perform(scene: Scene, effect: Effect): void {
  const { state } = scene;
  switch (effect.type) {
    case "load":
      state.opening = newLook();
      break;
    case "save":
      enqueue(state, { kind: "session", code: codeOf(effect.record), round: null, attempt: 0 });
      break;
    case "renew":
      begin(scene, effect.round);
      break;
    case "overtake":
      overtake(state);
      break;
    case "wake":
      wake(state);
      break;
    case "fail":
      fail(scene, effect.error, effect.through);
      break;
    case "emit":
      if (effect.event.type === "refreshSuppressed") scene.witness("the refusal limit is reached");
  }
}

// Ends the exclusive section, or the wait for it; the round runs on.
function overtake(state: State): void {
  const { latest } = state;
  forgetWishes(state);
  for (const renewal of state.rounds) renewal.overtaken = true;
  if (latest) {
    latest.isInSection = false;
    if (latest.phase === "queueing") end(latest, "failed");
  }
  awaken(state);
}

// The queue, as queue.ts has it. Who waits is among the requests, in the order in which they came.

function queueOf(here: () => Scene): Queue {
  return {
    get held() {
      return here().state.requests.filter(isHeld).length;
    },
    wait({ held, beyond, lenient = false, signal }) {
      const scene = here();
      const { request, state } = scene;
      if (!request) throw new Error("nobody is at the gate");
      if (signal?.aborted) return Promise.reject(signal.reason);
      Object.assign(request, { phase: "waiting", held, beyond, lenient });
      request.awaited = state.machine.round ? codeOf(state.machine.round.from) : 0;
      state.requests.splice(state.requests.indexOf(request), 1);
      state.requests.push(request);
      checkQueue(scene, state.requests.filter(isHeld).length);
      return new Promise(() => {});
    },
    wake: () => 0,
    fail() {},
  };
}

function isHeld({ phase, held }: Request): boolean {
  return phase === "waiting" && held;
}

function wake(state: State): void {
  const stamp = familyOf(state.machine);
  for (const request of state.requests)
    if (request.phase === "waiting") Object.assign(request, { phase: "woken", stamp });
  awaken(state);
}

function fail(scene: Scene, error: Error, through = Number.POSITIVE_INFINITY): void {
  for (const request of [...scene.state.requests]) {
    const { phase, beyond, lenient } = request;
    const fails = beyond <= through && !(lenient && through < Number.POSITIVE_INFINITY);
    if (phase === "waiting" && fails) settle(scene, request, error);
  }
}
