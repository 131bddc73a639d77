import { type Code, codeOf } from "./record.ts";
import type { Ghost, Look, State, Write } from "./state.ts";

// What rounds and the vault share.

export function newLook(): Look {
  return { seen: undefined, dirty: false, call: 0 };
}

export function serves({ machine }: State, code: Code): boolean {
  return codeOf(machine.record) === code;
}

export function enqueue(state: State, write: Write): void {
  state.writes.push(write);
}

/** The store compares, and writes. */
export function landed(state: State, { code, expected }: Ghost): boolean {
  if (expected !== -1 && state.store !== expected) return false;
  state.store = code;
  return true;
}
