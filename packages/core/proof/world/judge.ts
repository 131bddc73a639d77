import { type Violation, violationsIn } from "@freshtoken/testing";
import type { SessionRecord } from "../../src/index.ts";
import { type Cause, causeOf, LOST, UNDONE } from "./causes.ts";
import type { Context } from "./context.ts";
import type { Attempt } from "./facts.ts";
import type { World } from "./world.ts";

/** Looks for what must never happen: while it happens, and once all is at rest. */
export interface Judge {
  attempting(attempt: Attempt): void;
  saving(context: Context, record: SessionRecord | null): void;
  /** A record takes another's place in the store. */
  landing(context: Context, record: SessionRecord | null, over: SessionRecord | null): void;
  sending(context: Context, token: string | undefined): void;
  /** The authorization server has told a context that its refresh token is rejected. */
  refusing(attempt: Attempt): void;
  rejected(context: Context, family: number): void;
  /** Nothing is left to happen. */
  resting(): void;
  /** All sessions were closed. */
  closed(): void;
  /** The whole history. */
  looksBack(): void;
}

export function createJudge(world: World): Judge {
  const { facts } = world;

  function visitorOf(context: Context) {
    return world.visitors.find((visitor) => visitor.context === context);
  }

  return {
    attempting({ by, family, presented }) {
      const rival = facts.attempts.find(
        (other) => other.by === by && other.family === family && !other.isOver,
      );
      if (rival) world.violate(`I1: ${by.name} presents ${presented} while ${rival.presented} is under way`);
    },
    saving(context, record) {
      const visitor = visitorOf(context);
      const family = world.families.trace(record?.tokens.accessToken)?.family;
      if (family && visitor?.left.has(family))
        world.violate(`I6: ${context.name} stores ${world.nameOf(record)} of a sign-in that it has left`);
      if (!record && visitor && !visitor.mayEmpty())
        world.violate(`${context.name} empties the store, though nobody signed out or was rejected`);
    },
    landing(context, record, over) {
      if (!record || record.generation === 0 || isUnsure(context, record)) return;
      const follows = over?.family === record.family && over.generation <= record.generation;
      if (follows) return;
      const what = `${world.nameOf(record)} of ${context.name} takes the place of ${world.nameOf(over)}`;
      world.violate(`I6: ${what}, which it does not follow`);
    },
    sending(context, token) {
      if (!token || facts.held.has(token) || isSaidToBeUnsaved(context, token)) return;
      world.violate(`I7: ${context.name} sends ${token}, which was not stored, and did not say so`);
    },
    refusing({ by, family }) {
      visitorOf(by)?.rejected.add(family);
    },
    rejected(context, family) {
      if (!visitorOf(context)?.rejected.has(family))
        world.violate(`${context.name} ends sign-in ${family}, though no refresh of it was rejected`);
    },
    resting() {
      for (const { context, calls, session } of world.visitors) {
        if (!context.isAlive) continue;
        if (context.isWaiting) world.violate(`I12: ${context.name} waits for something that will not come`);
        for (const { name, settled } of calls)
          if (settled !== 1) world.violate(`I4: ${name} of ${context.name} has settled ${settled} times`);
        const { state } = session;
        const served = (state.status === "signedIn" && state.tokens.accessToken) || state.status;
        const held = world.store.held?.tokens.accessToken ?? "signedOut";
        const isExcused = isBrother(served, held) || isDead(held) || facts.saves.some(({ undoes }) => undoes);
        if (served !== held && !isExcused)
          world.violate(`${context.name} ends with ${served}, the store with ${held}`);
      }
    },
    closed() {
      if (world.store.listeners > 0)
        world.violate(`I12: ${world.store.listeners} listeners are left at the store`);
    },
    looksBack() {
      const known = causes();
      const found = violationsIn(world.log.entries, { note: world.network.note, except: ["reuse", "turns"] });
      for (const violation of found) if (!isExcused(violation, known)) world.violate(violation.what);
    },
  };

  // It said `storeFailed` since it began to save it.
  function isSaidToBeUnsaved(context: Context, token: string): boolean {
    const complained = visitorOf(context)?.complained() ?? 0;
    return facts.saves.some(
      ({ by, began, record }) => by === context && began < complained && record?.tokens.accessToken === token,
    );
  }

  // Where a sign-in was not stored, or nobody knows whether it was, its session overwrites whatever is there.
  function isUnsure(context: Context, { family }: SessionRecord): boolean {
    return facts.saves.some(
      ({ by, isUnsure, landed, record }) =>
        by === context &&
        (isUnsure || landed === undefined) &&
        record?.family === family &&
        record.generation === 0,
    );
  }

  // Whoever presents a refresh token again needs a cause. Returns the causes, by the token.
  function causes(): Map<string, Set<Cause>> {
    const found = new Map<string, Set<Cause>>();
    const acted = facts.attempts.filter((attempt) => attempt.acted);
    for (const [index, other] of acted.entries()) {
      for (const one of acted.slice(0, index)) {
        if (one.presented !== other.presented || (one.issued ?? other.issued) === undefined) continue;
        const cause = causeOf(one, other, facts);
        if (!cause) {
          const again = `${other.presented} is presented by ${one.by.name}, and again by ${other.by.name}`;
          world.violate(`I2: ${again}, without a cause`);
          continue;
        }
        if (one.outcome === "reused" || other.outcome === "reused") world.limit(cause);
        else world.count(`within the grace: ${cause}`);
        found.set(other.presented, (found.get(other.presented) ?? new Set()).add(cause));
      }
    }
    return found;
  }

  // The refresh token that brought a token. Two token sets may have come from one.
  function sourceOf(token: string): string {
    return facts.attempts.find(({ issued }) => issued === token.replace("a", "r"))?.presented ?? token;
  }

  // What could not be saved is served all the same.
  function isServedUnsaved(source: string): boolean {
    const brought = facts.attempts.filter(({ presented }) => presented === source);
    return brought.some(({ issued }) => {
      const saves = facts.saves.filter(({ refreshToken }) => refreshToken === issued);
      return issued !== undefined && saves.some(({ isUnsure, landed }) => isUnsure || landed === undefined);
    });
  }

  // Whoever comes to serve it is rejected.
  function isDead(token: string): boolean {
    return facts.attempts.some(
      ({ family, outcome }) => family === familyOf(token) && /^re(?:used|voked)$/.test(outcome),
    );
  }

  function isBrother(one: string | undefined, other: string): boolean {
    return sourceOf(one ?? "") === sourceOf(other);
  }

  function isExcused({ rule, place }: Violation, known: ReadonlyMap<string, ReadonlySet<Cause>>): boolean {
    const entry = world.log.entries.find((entry) => "arrived" in entry && entry.arrived === place);
    if (!entry || !("arrived" in entry)) return false;
    const token = (entry.at === "resource" ? entry.token : entry.presented) ?? "";
    if (rule === "read") return known.get(token)?.has(UNDONE) ?? false;
    if (rule === "winner") {
      const source = sourceOf(token);
      return isServedUnsaved(source) || [...(known.get(source) ?? [])].some((cause) => cause !== LOST);
    }
    const { by } = world.network.note(entry) ?? {};
    const family = familyOf(token);
    const isBack = facts.saves.some((save) => save.undoes && familyOf(save.refreshToken ?? "") === family);
    const hasReturned = world.visitors.some(
      ({ context, returned }) => context.name === by && returned.has(family),
    );
    if (rule === "replay" && isBack) world.limit(`a request was sent again with an older token: ${UNDONE}`);
    return (rule === "replay" && isBack) || (rule === "older" && (isBack || hasReturned));
  }

  function familyOf(token: string): number {
    return world.families.trace(token.replace("r", "a"))?.family ?? 0;
  }
}
