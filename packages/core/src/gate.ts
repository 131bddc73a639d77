import { closedError, queueFullError, signedOutError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import type { Gate } from "./exchange.ts";
import { type Admission, admit, familyOf, type Input, isCooling, type Machine } from "./machine.ts";
import type { Settings } from "./options.ts";
import type { Queue } from "./queue.ts";
import { sameRecord } from "./store.ts";

/** What a gate needs of its session. */
export interface House {
  readonly settings: Settings;
  readonly queue: Queue;
  /** The signals that attempts were given. */
  readonly own: WeakSet<AbortSignal>;
  machine(): Machine;
  isClosing(): boolean;
  dispatch(input: Input): void;
  emit(event: SessionEvent): void;
  underWay(more: 1 | -1): void;
}

/** The gate of a session, also for those who come without a request. */
export interface SessionGate extends Gate {
  /** Waits until it is known who is signed in; undefined: it is. */
  known(signal: AbortSignal | undefined): Promise<string | undefined> | undefined;
}

/** Makes the gate: how requests, and those who ask for tokens, see a session. */
export function createGate(house: House): SessionGate {
  const { settings, queue, own, machine, isClosing, dispatch, emit, underWay } = house;
  const { clock, maxHeld } = settings;

  const gate: SessionGate = {
    settings,
    owns: (signal) => signal != null && own.has(signal),
    family() {
      // A store that answers at once tells before the request is stamped.
      if (machine().status === "unread" && !isClosing()) dispatch({ type: "reload" });
      return familyOf(machine());
    },
    served(family) {
      const { record, rejected, status } = machine();
      if (record?.family === family && status !== "restoring") return record;
      if (rejected?.family === family) throw rejected.error;
      throw status === "closed" ? closedError() : signedOutError();
    },
    hold(made, { signal, replayable, held }) {
      if (signal?.aborted) throw signal.reason;
      const admission = admitted(made, replayable);
      if (admission.type === "go") return undefined;
      if (admission.type === "fail") throw admission.error;
      if (isClosing()) throw closedError();
      if (held && queue.held >= maxHeld) throw queueFullError(maxHeld);
      const { record, refused } = machine();
      const lenient = !replayable && !refused;
      const turn = queue.wait({ held, beyond: record?.generation ?? -1, lenient, signal });
      if (held) emit({ type: "held", count: queue.held });
      return turn;
    },
    refused({ family, generation }) {
      if (isClosing()) throw closedError();
      dispatch({ type: "refused", family, generation, now: clock.now() });
      const { round, coolDown } = machine();
      if (!round && coolDown && isCooling(machine(), clock.now())) throw coolDown.error;
      return round !== null;
    },
    async newer(sent, signal) {
      const isThere = !sameRecord(machine().record, sent);
      if (!isThere) await queue.wait({ held: false, beyond: sent.generation, signal });
    },
    known(signal) {
      const { status } = machine();
      if (status === "unread") dispatch({ type: "reload" });
      const isKnown = machine().status !== "loading";
      return isKnown ? undefined : queue.wait({ held: false, beyond: -1, signal });
    },
    replayed: (request) => emit({ type: "replayed", ...request }),
    underWay,
  };

  // Judges; and judges anew after the input that the verdict asked for.
  function admitted(made: string | undefined, replayable: boolean): Admission {
    const judge = () => {
      if (made) gate.served(made);
      return admit(machine(), replayable, clock.now(), settings);
    };
    const admission = judge();
    if (admission.type === "fail" || !admission.first || isClosing()) return admission;
    dispatch(admission.first);
    return judge();
  }

  return gate;
}
