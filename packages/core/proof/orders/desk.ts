import { type Code, codeOf } from "./record.ts";
import type { Ghost, Look, Renewal, State, Write } from "./state.ts";

// What rounds and the vault share.

export function newLook(): Look {
  return { seen: undefined, dirty: false, call: 0 };
}

/** As a round sees it: what is served since somebody has signed in or out is not what it knows. */
export function serves({ machine }: State, code: Code, round?: Renewal): boolean {
  return !round?.overtaken && codeOf(machine.record) === code;
}

export function enqueue(state: State, write: Write): void {
  state.writes.push(write);
}

/** Somebody has signed in or out: what the session wished for before is of no account. */
export function forgetWishes(state: State): void {
  const past = <W extends Write>(write: W): W =>
    write.kind === "session" ? { ...write, attempt: 1 } : write;
  state.writes = state.writes.map((write) => (write === "again" ? write : past(write)));
  state.unsaved &&= past(state.unsaved);
  if (state.writing) state.writing.write = past(state.writing.write);
}

/** The store compares, and writes. */
export function landed(state: State, { code, expected }: Ghost): boolean {
  if (expected !== -1 && state.store !== expected) return false;
  state.store = code;
  return true;
}
