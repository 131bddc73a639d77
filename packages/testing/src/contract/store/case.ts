import type { SessionRecord, TokenSet } from "@freshtoken/core";
import type { Place } from "./place.ts";
import type { StoreAbility } from "./subject.ts";

/** One promise of every store. */
export interface StoreCase {
  readonly title: string;
  /** What a store must be able to do for it: without any one of these it fails. */
  readonly needs?: readonly StoreAbility[];
  run(place: Place): Promise<void>;
}

/** A record, frozen as those of sessions are. */
export function recordOf(family: string, generation: number, more: TokenSet = {}): SessionRecord {
  const tokens = { accessToken: `${family}.a${generation}`, refreshToken: `${family}.r${generation}` };
  return Object.freeze({ family, generation, tokens: Object.freeze({ ...tokens, ...more }) });
}

/** The first records of two sign-ins, and the one that follows the first. */
export const f0: SessionRecord = recordOf("f", 0);
export const f1: SessionRecord = recordOf("f", 1);
export const g0: SessionRecord = recordOf("g", 0);
