import type { SessionRecord, SessionStore } from "../../src/index.ts";
import { sameRecord } from "../../src/store.ts";
import type { Context } from "./context.ts";
import type { Save, SaveFault, Section } from "./facts.ts";
import type { World } from "./world.ts";

/** A store that all contexts share, and all that can befall it. */
export interface SharedStore {
  readonly held: SessionRecord | null;
  /** The store as one context sees it. */
  peer(context: Context): SessionStore;
  /** The section that a context is in. */
  sectionOf(context: Context): Section | undefined;
  /** Tells everybody that something has changed. */
  hint(): void;
  readonly listeners: number;
}

interface Listener {
  readonly context: Context;
  readonly changed: () => void;
}

interface Applicant {
  readonly context: Context;
  granted(section: Section): void;
}

const SAVE_FAULTS: readonly [SaveFault, ...SaveFault[]] = [
  "fails",
  "failsWritten",
  "hangs",
  "hangsWritten",
  "late",
  "loses",
  "losesWritten",
];

function isSameWish(one: Save, other: Save): boolean {
  return one.by === other.by && one.refreshToken === other.refreshToken;
}

export function createSharedStore(world: World): SharedStore {
  const { timeline, chance, recipe, facts } = world;
  const { latency, lease } = recipe.store;
  const listeners = new Set<Listener>();
  const applicants = new Set<Applicant>();
  const entered = new Map<Context, Section>();
  let held: SessionRecord | null = null;
  let holder: Section | undefined;

  const befalls = (probability: number) => !world.isCalm && chance.of(probability);
  const soon = () => chance.between(0, latency);

  function load(context: Context): Promise<SessionRecord | null> {
    const fault = befalls(recipe.store.loads) ? chance.pick(["fails", "hangs", "late"]) : undefined;
    if (fault) world.count(`a load ${fault}`);
    const began = timeline.now;
    return new Promise((resolve, reject) => {
      timeline.in(soon(), () => {
        const found = held;
        const moment = world.moment();
        world.tell(context.name, `loads ${world.nameOf(found)}${fault ? `: ${fault}` : ""}`);
        if (fault === "hangs") return;
        const ms = fault === "late" ? recipe.session.refreshTimeout + chance.between(-50, 2_000) : soon();
        context.learns(ms, () => {
          const isInTime = timeline.now - began < recipe.session.refreshTimeout;
          if (fault !== "fails" && isInTime) facts.looked.set(context, moment);
          if (fault === "fails") reject(new Error("cannot read"));
          else resolve(found);
        });
      });
    });
  }

  function save(
    context: Context,
    record: SessionRecord | null,
    expected: SessionRecord | null | undefined,
  ): Promise<boolean> {
    const fault = befalls(recipe.store.saves) ? chance.pick(SAVE_FAULTS) : undefined;
    if (fault) world.count(`a save ${fault}`);
    const { refreshToken } = record?.tokens ?? {};
    const fact: Save = {
      by: context,
      record,
      refreshToken,
      began: world.moment(),
      fault,
      landed: undefined,
      isUnsure: fault !== undefined,
      undoes: false,
    };
    const began = timeline.now;
    facts.saves.push(fact);
    world.tell(context.name, `saves ${world.nameOf(record)}${fault ? `: ${fault}` : ""}`);
    world.judge.saving(context, record);
    const isWritten = fault === undefined || fault === "late" || fault.endsWith("Written");
    const late = fault === "late" ? recipe.session.refreshTimeout + chance.between(-50, 4_000) : 0;
    return new Promise((resolve, reject) => {
      timeline.in(soon() + late, () => {
        // What a dying context has under way arrives, or does not.
        if (!context.isAlive && chance.of(0.5)) return;
        const wins = expected === undefined || sameRecord(held, expected);
        if (wins && isWritten) land(context, record, fact);
        else if (!fault) world.tell("store", `${context.name} loses against ${world.nameOf(held)}`);
        if (fault?.startsWith("hangs")) return;
        context.learns(soon(), () => {
          if (timeline.now - began >= recipe.session.refreshTimeout) fact.isUnsure = true;
          if (fault?.startsWith("fails")) reject(new Error("cannot write"));
          else resolve(wins && !fault?.startsWith("loses"));
        });
      });
    });
  }

  function land(context: Context, record: SessionRecord | null, fact: Save): void {
    world.judge.landing(context, record, held);
    held = record;
    const wished = record ? facts.saves.find((other) => isSameWish(other, fact)) : fact;
    const isOlder = facts.saves.some(
      (other) =>
        other.landed !== undefined && other.began > (wished ?? fact).began && !isSameWish(other, fact),
    );
    // What its own context has left meanwhile is back.
    const family = world.families.trace(record?.tokens.accessToken)?.family;
    const isLeft = facts.leavings.some(
      (left) => left.by === context && left.family === family && left.at > fact.began,
    );
    fact.undoes = isOlder || isLeft;
    if (fact.undoes) world.count("a save undid a later one");
    fact.landed = world.moment();
    if (record?.tokens.accessToken) facts.held.add(record.tokens.accessToken);
    world.tell("store", `holds ${world.nameOf(record)} of ${context.name}${fact.undoes ? ", late" : ""}`);
    for (const listener of listeners) if (listener.context !== context) inform(listener);
  }

  function inform({ context, changed }: Listener): void {
    const fault = befalls(recipe.store.hints) ? chance.pick(["lost", "doubled", "late"]) : undefined;
    if (fault) world.count(`a hint is ${fault}`);
    if (fault === "lost") return;
    context.learns(fault === "late" ? chance.between(0, 10_000) : soon(), changed);
    if (fault === "doubled") context.learns(chance.between(0, 200), changed);
  }

  function exclusive<R>(context: Context, task: () => Promise<R>, signal: AbortSignal): Promise<R> {
    const fault = befalls(recipe.store.sections)
      ? chance.pick(["refused", "neverGranted", "lost", "lost", "stolen"])
      : undefined;
    if (fault) world.count(`a section is ${fault}`);
    return new Promise((resolve, reject) => {
      const applicant: Applicant = {
        context,
        granted(section) {
          entered.set(context, section);
          if (fault === "lost" || fault === "stolen")
            timeline.in(chance.between(0, 1_500), () => take(section));
          if (lease < Number.POSITIVE_INFINITY) timeline.in(lease, () => take(section));
          const leave = () => left(section);
          const ended = task().finally(leave);
          ended.then(
            (value) => context.learns(soon(), () => resolve(value)),
            (error) => context.learns(soon(), () => reject(error)),
          );
        },
      };
      function take(section: Section): void {
        if (!lose(section) || fault !== "stolen") return;
        context.learns(soon(), () => reject(new Error("the section was stolen")));
      }
      if (fault === "refused") return void context.learns(soon(), () => reject(new Error("no section")));
      signal.addEventListener("abort", () => {
        applicants.delete(applicant);
        reject(signal.reason);
      });
      if (fault === "neverGranted" || signal.aborted) return;
      timeline.in(soon(), () => {
        if (signal.aborted || !context.isAlive) return;
        applicants.add(applicant);
        grant();
      });
    });
  }

  function grant(): void {
    const [next] = applicants;
    if (holder || !next) return;
    applicants.delete(next);
    const section: Section = { by: next.context, began: world.moment(), ended: undefined, lost: undefined };
    holder = section;
    world.tell(next.context.name, "enters the section");
    next.context.learns(soon(), () => next.granted(section));
  }

  function left(section: Section): void {
    section.ended ??= world.moment();
    if (entered.get(section.by) === section) entered.delete(section.by);
    if (holder !== section) return;
    holder = undefined;
    world.tell(section.by.name, "leaves the section");
    grant();
  }

  function lose(section: Section): boolean {
    if (holder !== section) return false;
    section.lost = world.moment();
    holder = undefined;
    world.count("a section was lost while held");
    world.tell(section.by.name, "loses the section");
    grant();
    return true;
  }

  return {
    get held() {
      return held;
    },
    peer(context) {
      context.onKill(() => {
        for (const applicant of applicants) if (applicant.context === context) applicants.delete(applicant);
        for (const listener of listeners) if (listener.context === context) listeners.delete(listener);
        // A tab's is free at once, a process's when its lease is over.
        const section = holder;
        if (section?.by === context)
          timeline.in(chance.of(0.5) ? 0 : chance.between(0, 5_000), () => left(section));
      });
      return {
        load: () => load(context),
        save: (record, expected) => save(context, record, expected),
        exclusive: (task, { signal }) => exclusive(context, task, signal),
        subscribe(changed) {
          const listener = { context, changed };
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      };
    },
    sectionOf: (context) => entered.get(context),
    hint() {
      for (const { context, changed } of listeners) context.learns(0, changed);
    },
    get listeners() {
      return listeners.size;
    },
  };
}
