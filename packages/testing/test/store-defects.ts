import { settled } from "../src/index.ts";
import {
  aliasing,
  but,
  caching,
  channelled,
  comparing,
  crowded,
  entering,
  lagging,
  leaving,
  listening,
  lockingSaves,
  parting,
  piecemeal,
  roomy,
  saving,
  storing,
  takingOwnTurns,
} from "./store-defective.ts";
import { isSame, recordIn, rejection, type View } from "./store-subject.ts";

/** A store with something wrong, and titles of the contract that say so. */
export interface StoreDefect {
  /** What the store does. */
  readonly name: string;
  readonly view: View;
  readonly titles: readonly string[];
}

const both = (what: string) => [`writes ${what}`, `removes ${what}`];
const neither = (what: string) => both(`nothing ${what}, and says so`);
const raced = (who: string) =>
  ["nothing", "one record"].map(
    (what) => `lets one of 20 saves win that ${who} over ${what}, and keeps that one`,
  );

const [signedOutMeanwhile = "", signedInMeanwhile = ""] = ["out", "in"].map(
  (what) => `stores nothing of a refresh during which another session has signed ${what}, and follows that`,
);
const failing = (how: string) => `rejects as a task does that ${how}, and lets the next one in`;
const countsTo100 = "loads in the section what was saved in the one before it: 100 turns of four contexts";
const oneRefresh = "refreshes once at an expiry that all sessions meet at once, though none hears of another";
const tenRefreshes = "refreshes once at each of ten expiries in a row";
const givesUp = ["one context", "three contexts"].map(
  (where) => `gives up waiting at once when the signal aborts, and lets in who waits behind: ${where}`,
);
const neverBoth = "runs a task or rejects, and never both, where the signal aborts as its turn comes";
const abortedBefore = "rejects with the reason of a signal that has aborted before, and runs nothing";
const tellsAll = "tells of what another saves and removes, and says no more than that";
const undone = "tells nobody who has undone it, and leaves nothing of the subscription";

/** The ways to be wrong that people have found. */
export const storeDefects: readonly StoreDefect[] = [
  {
    name: "loads nothing as undefined",
    view: but(({ load }) => ({ load: async () => (await load()) ?? (undefined as unknown as null) })),
    titles: ["holds nothing at first, and loads that as null"],
  },
  {
    name: "keeps the two tokens alone",
    view: storing(({ tokens: { accessToken, refreshToken }, ...record }) => ({
      ...record,
      tokens: { accessToken, refreshToken },
    })),
    titles: [
      "loads a record as it was saved, with every field of its tokens",
      "holds the tokens of a sign-in and of each refresh by the time a session serves them",
    ],
  },
  {
    name: "keeps one byte of each character",
    view: storing((record) => JSON.parse(JSON.stringify(record).replace(/[^ -\u00ff]/g, "?"))),
    titles: ["loads text of every script as it was saved"],
  },
  {
    name: "makes text of what is undefined",
    view: storing(({ tokens, ...record }) => ({
      ...record,
      tokens: Object.fromEntries(Object.entries(tokens).map(([name, value]) => [name, value ?? "undefined"])),
    })),
    titles: ["loads a field that was undefined as no other value"],
  },
  {
    name: "takes a record without a token for none",
    view: but(({ load }) => ({
      async load() {
        const record = await load();
        return record?.tokens.accessToken === undefined ? null : record;
      },
    })),
    titles: ["loads a record without any token, as one is of a session with cookies"],
  },
  {
    name: "has room for 4 KB",
    view: roomy(4_096),
    titles: ["keeps a token of 64 KB", "shows whole records alone to those who load while others save"],
  },
  {
    name: "keeps the object that it is given",
    view: aliasing("loaded"),
    titles: ["keeps what was saved, whatever becomes of the object"],
  },
  {
    name: "hands out the object that it keeps",
    view: aliasing("saved"),
    titles: ["keeps what was saved, whatever becomes of what was loaded"],
  },
  {
    name: "removes nothing",
    view: but(({ save }) => ({
      save: (record, ...expected) => record === null || save(record, ...expected),
    })),
    titles: [
      "holds nothing once null was saved, until another record is",
      "holds nothing of a session that has signed out",
      "removes over the record that is expected",
      "removes over a record, told to expect nothing in particular",
      "asks once whether a refresh token is rejected, and ends all sessions",
    ],
  },
  {
    name: "keeps a record for each who opens it",
    view: parting,
    titles: [
      "shows what was saved to whoever opens it later",
      "signs a session in that is opened after another was closed, and goes on where that one was",
    ],
  },
  {
    name: "never looks again",
    view: caching,
    titles: [
      "shows each save to everybody else as soon as it has resolved",
      "compares with what another has saved meanwhile",
      countsTo100,
      ...raced("four contexts make at once"),
    ],
  },
  {
    name: "shows in a section what was before it",
    view: lagging,
    titles: [countsTo100, oneRefresh, tenRefreshes],
  },
  {
    name: "resolves before it has saved",
    view: saving(async (_, write, tell) => {
      setTimeout(() => write() && tell());
      return true;
    }),
    titles: [
      "shows each save to everybody else as soon as it has resolved",
      "holds the tokens of a sign-in and of each refresh by the time a session serves them",
    ],
  },
  {
    name: "writes a record in parts",
    view: piecemeal,
    titles: ["shows whole records alone to those who load while others save"],
  },
  {
    name: "never writes over another sign-in",
    view: comparing((held, expected) => (held && expected === undefined ? false : undefined)),
    titles: [
      "writes over a record, told to expect nothing in particular",
      "removes over a record, told to expect nothing in particular",
      "holds the last of what was saved",
    ],
  },
  {
    name: "keeps the first sign-in for good",
    view: but(({ save }, ground) => ({
      save(record, ...expected) {
        const held = recordIn(ground);
        return held && record && held.family !== record.family ? true : save(record, ...expected);
      },
    })),
    titles: [
      "holds the later of two sign-ins of one session, also where a refresh of the earlier one ends last",
      "signs all sessions in where one does, and refreshes once for all, eight sign-ins in a row",
    ],
  },
  {
    name: "wants to be told what to expect",
    view: comparing((_, expected) => (expected === undefined ? false : undefined)),
    titles: [
      ...both("over nothing, told to expect nothing in particular"),
      ...both("over a record, told to expect nothing in particular"),
    ],
  },
  {
    name: "loses whatever is told what to expect",
    view: comparing((_, expected) => (expected === undefined ? undefined : false)),
    titles: [
      ...both("over nothing, where nothing is expected"),
      ...both("over the record that is expected"),
      "says true where it wrote over what was expected, false where it did not",
      ...raced("one context makes at once"),
    ],
  },
  {
    name: "never compares",
    view: comparing(() => true),
    titles: [
      ...neither("over a record, where nothing is expected"),
      ...neither("over nothing, where a record is expected"),
      "compares with what another has saved meanwhile",
      signedOutMeanwhile,
      signedInMeanwhile,
    ],
  },
  {
    name: "says nothing of a save that lost",
    view: but(({ save }) => ({
      save: async (record, ...expected) => (await save(record, ...expected)) || undefined,
    })),
    titles: [
      ...neither("over another sign-in than is expected, though of the same generation"),
      ...raced("one context makes at once"),
      "says true where it wrote over what was expected, false where it did not",
      signedOutMeanwhile,
    ],
  },
  {
    name: "says nothing of a save that won",
    view: but(({ save }) => ({
      save: async (record, ...expected) => ((await save(record, ...expected)) === false ? false : undefined),
    })),
    titles: ["says true where it wrote over what was expected, false where it did not"],
  },
  {
    name: "compares tokens instead of generations",
    view: comparing((held, expected) =>
      expected === undefined ? undefined : JSON.stringify(held?.tokens) === JSON.stringify(expected?.tokens),
    ),
    titles: [
      ...both("over the family and generation that are expected, whatever the tokens"),
      ...neither("over another sign-in than is expected, though its tokens are the same"),
    ],
  },
  {
    name: "compares generations alone",
    view: comparing((held, expected) =>
      expected === undefined ? undefined : held?.generation === expected?.generation,
    ),
    titles: [
      ...neither("over another sign-in than is expected, though of the same generation"),
      signedInMeanwhile,
    ],
  },
  {
    name: "compares families alone",
    view: comparing((held, expected) =>
      expected === undefined ? undefined : held?.family === expected?.family,
    ),
    titles: [
      ...neither("over a later generation than is expected"),
      ...neither("over an earlier generation than is expected"),
    ],
  },
  {
    name: "writes over whatever is older",
    view: comparing((held, expected) =>
      held && expected && held.family === expected.family
        ? held.generation <= expected.generation
        : undefined,
    ),
    titles: neither("over an earlier generation than is expected"),
  },
  {
    name: "compares both as one text",
    view: comparing((held, expected) =>
      expected === undefined
        ? undefined
        : `${held?.family}${held?.generation}` === `${expected?.family}${expected?.generation}`,
    ),
    titles: neither("over a family and generation that only read the same, one after the other"),
  },
  {
    name: "counts as far as 14 digits",
    view: comparing((held, expected) =>
      held && expected && held.family === expected.family
        ? held.generation.toPrecision(14) === expected.generation.toPrecision(14)
        : undefined,
    ),
    titles: neither("over a generation that differs in its last digit alone"),
  },
  {
    name: "takes null for nothing in particular",
    view: comparing((_, expected) => (expected === null ? true : undefined)),
    titles: [
      ...neither("over a record, where nothing is expected"),
      ...raced("four contexts make at once").slice(0, 1),
    ],
  },
  {
    name: "writes over nothing whatever is expected",
    view: comparing((held) => (held === null ? true : undefined)),
    titles: [...neither("over nothing, where a record is expected"), signedOutMeanwhile],
  },
  {
    name: "compares first and writes later",
    view: but(({ save }, ground) => ({
      async save(record, expected) {
        const isExpected = expected === undefined || isSame(recordIn(ground), expected);
        await Promise.resolve();
        return isExpected && save(record);
      },
    })),
    titles: [...raced("one context makes at once"), ...raced("four contexts make at once")],
  },
  {
    name: "takes no turns",
    view: entering((task) => task()),
    titles: [
      "runs one task at a time of those that one context has",
      "runs one task at a time of those that four contexts have, and comes to the turn of each",
      oneRefresh,
      "asks once whether a refresh token is rejected, and ends all sessions",
      "signs all sessions in where one does, and refreshes once for all, eight sign-ins in a row",
      "fails a refresh that cannot get into the section in time, stays signed in, and gets in later",
    ],
  },
  {
    name: "takes turns in each context by itself",
    view: takingOwnTurns,
    titles: [
      "runs one task at a time of those that four contexts have, and comes to the turn of each",
      "lets nobody in while another is in the section, however long that takes",
      countsTo100,
      oneRefresh,
    ],
  },
  {
    name: "lets the next one in after a while",
    view: leaving((running) => Promise.race([running, settled()])),
    titles: ["lets nobody in while another is in the section, however long that takes"],
  },
  {
    name: "lets few wait for the section",
    view: crowded(16),
    titles: ["runs one task at a time of those that four contexts have, and comes to the turn of each"],
  },
  {
    name: "keeps what a task comes to",
    view: entering(async (task, signal, exclusive) => {
      await exclusive(task, { signal });
      return undefined as Awaited<ReturnType<typeof task>>;
    }),
    titles: ["runs a task in the section, and comes to what the task comes to"],
  },
  {
    name: "says in its own words that a task failed",
    view: entering((task, signal, exclusive) =>
      exclusive(task, { signal }).catch((cause) => {
        throw new Error("the section failed", { cause });
      }),
    ),
    titles: [failing("rejects"), failing("throws")],
  },
  {
    name: "stays taken after a task that failed",
    view: leaving((running) => running.catch(() => never())),
    titles: [failing("rejects"), failing("throws")],
  },
  {
    name: "stays taken after a task that throws",
    view: entering((task, signal, exclusive) =>
      exclusive(
        () => {
          try {
            return task();
          } catch {
            return never();
          }
        },
        { signal },
      ),
    ),
    titles: [failing("throws")],
  },
  {
    name: "stays taken by one who has given up",
    view: entering((task, signal, exclusive) => {
      const inside = () => (signal.aborted ? never() : task());
      return Promise.race([exclusive(inside, { signal: new AbortController().signal }), rejection(signal)]);
    }),
    titles: [abortedBefore, ...givesUp],
  },
  {
    name: "hears no abort",
    view: entering((task, _, exclusive) => exclusive(task, { signal: new AbortController().signal })),
    titles: [abortedBefore, ...givesUp],
  },
  {
    name: "hears an abort when its turn has come",
    view: entering((task, signal, exclusive) =>
      exclusive(
        () => {
          signal.throwIfAborted();
          return task();
        },
        { signal: new AbortController().signal },
      ),
    ),
    titles: [...givesUp],
  },
  {
    name: "runs the task of one who has given up",
    view: entering((task, signal, exclusive) =>
      Promise.race([exclusive(task, { signal: new AbortController().signal }), rejection(signal)]),
    ),
    titles: [
      abortedBefore,
      ...givesUp,
      neverBoth,
      "leaves a task alone that has begun when its signal aborts, and lets nobody else in before its end",
    ],
  },
  {
    name: "gives up with a reason of its own",
    view: entering((task, signal, exclusive) =>
      exclusive(task, { signal }).catch((error) => {
        throw error === signal.reason ? new DOMException("Aborted", "AbortError") : error;
      }),
    ),
    titles: [abortedBefore, ...givesUp],
  },
  {
    name: "lets go when the signal aborts inside",
    view: leaving((running, signal) => Promise.race([running, rejection(signal)]).catch(() => {})),
    titles: [
      "leaves a task alone that has begun when its signal aborts, and lets nobody else in before its end",
    ],
  },
  {
    name: "makes who saves wait for the section",
    view: lockingSaves,
    titles: ["loads and saves for others while somebody is in the section"],
  },
  {
    name: "tells nobody",
    view: listening(() => () => {}),
    titles: [
      tellsAll,
      "brings the tokens of a refresh to the sessions that asked for none",
      "ends all sessions where one signs out",
      "agrees on one of the sign-ins that sessions make at once",
    ],
  },
  {
    name: "tells what was saved",
    view: but(({ subscribe, load }) => ({
      subscribe: (changed: (record: unknown) => void) => subscribe(async () => changed(await load())),
    })),
    titles: [tellsAll],
  },
  {
    name: "tells of no removal",
    view: saving(async (record, write, tell) => {
      const isWritten = write();
      if (record) tell();
      return isWritten;
    }),
    titles: [tellsAll, "ends all sessions where one signs out"],
  },
  {
    name: "tells before it has saved",
    view: saving(async (_, write, tell) => {
      tell();
      await Promise.resolve();
      return write();
    }),
    titles: ["has saved by the time it tells"],
  },
  {
    name: "tells of the first of many saves",
    view: listening((changed, subscribe) => {
      let isQuiet = false;
      return subscribe(() => {
        if (!isQuiet) changed();
        isQuiet = true;
        setTimeout(() => {
          isQuiet = false;
        });
      });
    }),
    titles: ["tells of the last of many saves, however many it tells of"],
  },
  {
    name: "begins to listen a while later",
    view: listening((changed, subscribe) => {
      let undo = () => {};
      setTimeout(() => {
        undo = subscribe(changed);
      });
      return () => undo();
    }),
    titles: [tellsAll],
  },
  {
    name: "tells one listener in each context",
    view: but(({ subscribe }) => {
      let undo = () => {};
      return {
        subscribe(changed) {
          undo();
          undo = subscribe(changed);
          return undo;
        },
      };
    }),
    titles: ["tells each context, and each listener in it"],
  },
  {
    name: "stops telling where a listener throws",
    view: channelled({ reopens: true, counts: false }),
    titles: ["tells the others where a listener throws, and the save goes through"],
  },
  {
    name: "tells who has undone it",
    view: listening((changed, subscribe) => {
      subscribe(changed);
      return () => {};
    }),
    titles: [undone, "keeps no subscription of sessions that are closed"],
  },
  {
    name: "keeps the subscription of the undone",
    view: listening((changed, subscribe) => {
      let told = changed;
      subscribe(() => told());
      return () => {
        told = () => {};
      };
    }),
    titles: [undone, "keeps no subscription of sessions that are closed"],
  },
  {
    name: "counts a second undo as another's",
    view: channelled({ reopens: true, counts: true }),
    titles: ["takes a second undo for none, and tells the other listeners on"],
  },
  {
    name: "listens once, and never again",
    view: channelled({ reopens: false, counts: false }),
    titles: ["tells who subscribes after all others have gone"],
  },
];

function never(): Promise<never> {
  return new Promise(() => {});
}
