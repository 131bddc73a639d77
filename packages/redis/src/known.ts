import type { SessionRecord } from "@freshtoken/core";

/** A record as it is in Redis; all empty: none. */
export interface Known {
  readonly family: string;
  readonly generation: string;
  readonly text: string;
}

/** Which token set, as Redis has it. */
export type Version = readonly [family: string, generation: string];

export const NOTHING: Known = { family: "", generation: "", text: "" };
export const NO_VERSION: Version = ["", ""];

export function versionOf(record: SessionRecord | null): Version {
  return record ? [record.family, String(record.generation)] : NO_VERSION;
}
