import type { Attempt, Facts, Save } from "./facts.ts";

const KILLED = "a context was killed between the server's rotation and the save";
/** Why a refresh token may be presented a second time, though the design keeps it from that wherever it can. */
export const LOST = "an answer was lost on its way";
const LEFT = "a sign-in or sign-out ended the section while an attempt was under way";
const SHARED = "a section was lost while it was held";
const UNSAVED = "a save failed, or nobody knows whether it did";
export const UNDONE = "a save came late, or again, and undid a later one";

export type Cause =
  | typeof KILLED
  | typeof LOST
  | typeof LEFT
  | typeof SHARED
  | typeof UNSAVED
  | typeof UNDONE;

/** Tells why the later of two attempts was made with the same token; undefined: without any such cause. */
export function causeOf(one: Attempt, other: Attempt, facts: Facts): Cause | undefined {
  const isAlone = one.by === other.by;
  const landed = landingOf(one, facts);
  const isSeen = isBefore(landed, other.looked);
  // An answer that was given up may be read late: then its own context knows, and others once it is stored.
  const isKnown = isAlone ? isBefore(one.read, other.began) : isSeen;
  if (isBefore(one.by.killed, other.began) && !isSeen) return KILLED;
  if (isBefore(one.lost, other.began) && !isKnown) return LOST;
  if (facts.saves.some((save) => isUndone(landed, save, other))) return UNDONE;
  if (isAlone) return undefined;
  if (isLeft(one, other, landed, facts)) return LEFT;
  if (isShared(one, other)) return SHARED;
  const failed = facts.saves.filter(({ isUnsure, began }) => isUnsure && began < other.began);
  // Of two answers to one token its context stores the first that it read.
  const brothers = facts.attempts.filter(({ by, presented }) => by === one.by && presented === one.presented);
  if (!isSeen && failed.some((save) => brothers.some((brother) => isOf(save, brother)))) return UNSAVED;
  if (failed.some((save) => save.by === other.by && save.refreshToken === other.presented)) return UNSAVED;
  return undefined;
}

function isBefore(moment: number | undefined, other: number): boolean {
  return moment !== undefined && moment < other;
}

function isOf(save: Save, { by, issued }: Attempt): boolean {
  return save.by === by && issued !== undefined && save.refreshToken === issued;
}

function landingOf(attempt: Attempt, { saves }: Facts): number | undefined {
  return saves.find((save) => isOf(save, attempt) && save.landed !== undefined)?.landed;
}

// Its session stopped to serve the family before what it had under way was stored.
function isLeft(one: Attempt, other: Attempt, landed: number | undefined, { leavings }: Facts): boolean {
  return leavings.some(
    ({ by, family, at }) =>
      by === one.by && family === one.family && one.began < at && at < other.began && !isBefore(landed, at),
  );
}

// The store held what the first brought, until a save of another time came over it.
function isUndone(stored: number | undefined, { undoes, landed }: Save, { began }: Attempt): boolean {
  return undoes && isBefore(landed, began) && isBefore(stored ?? 0, landed ?? 0);
}

// Both were in the section at the same time, since one of them had lost it.
function isShared({ section: one }: Attempt, { section: other }: Attempt): boolean {
  if (!one || !other || one === other || (one.lost ?? other.lost) === undefined) return false;
  const { ended: oneEnded = Number.POSITIVE_INFINITY } = one;
  const { ended: otherEnded = Number.POSITIVE_INFINITY } = other;
  return one.began < otherEnded && other.began < oneEnded;
}
