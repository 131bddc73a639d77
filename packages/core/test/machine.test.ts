import { expect, test } from "vitest";
import { RefreshFailedError, RefreshRejectedError } from "../src/errors.ts";
import {
  type Effect,
  familyOf,
  type Input,
  isPending,
  type Machine,
  type Policy,
  type Round,
  type Step,
  transition,
  unread,
} from "../src/machine.ts";
import { createSession } from "../src/session.ts";
import type { SessionRecord } from "../src/store.ts";
import { createClock, settled } from "./support.ts";

const NOW = 100_000;
const policy: Policy = { leeway: 5_000, refreshAhead: 60_000, refusalLimit: { max: 2, within: 30_000 } };

function record(family: string, generation: number): SessionRecord {
  return { family, generation, tokens: generation < 0 ? {} : { accessToken: `a${generation}` } };
}

// f is the present family, g another one.
const [f0, f1, f2, g0] = [record("f", 0), record("f", 1), record("f", 2), record("g", 0)];
const fNone = record("f", -1);
const ours: Round = { reason: "stale", from: f1 };
const restoration: Round = { reason: "restore", from: fNone };
const earlier: Round = { reason: "refused", from: f0 };
const failure = new RefreshFailedError("failed before", { retryAt: NOW + 900 });
const coolDown = { error: failure, since: NOW - 100, ms: 1000, rounds: 1 };
const rejection = new RefreshRejectedError("rejected before");
const signedIn: Machine = { ...unread, status: "signedIn", record: f1, stored: f1 };

const machines = {
  unread,
  loading: { ...unread, status: "loading" },
  restoring: { ...unread, status: "restoring", record: fNone, round: restoration },
  "restoring, cooling": { ...unread, status: "restoring", record: fNone, coolDown },
  signedOut: { ...unread, status: "signedOut" },
  "signedOut, to be stored": { ...unread, status: "signedOut", stored: undefined },
  "signedOut, not removed": { ...unread, status: "signedOut", stored: f1 },
  "signedOut, rejected": { ...unread, status: "signedOut", rejected: { family: "f", error: rejection } },
  storing: { ...unread, status: "storing", record: f1, stored: undefined },
  "storing, first": { ...unread, status: "storing", record: f1 },
  signedIn,
  "signedIn, unsaved": { ...signedIn, stored: f0 },
  "signedIn, refused": { ...signedIn, refused: true },
  "signedIn, refused often": { ...signedIn, refusals: [NOW - 29_999, NOW] },
  "signedIn, cooling": { ...signedIn, coolDown },
  refreshing: { ...signedIn, round: ours },
  "refreshing, stored": { ...signedIn, stored: f2, round: ours },
  "refreshing, outrun": { ...signedIn, record: f2, stored: f2, round: ours },
  closed: { ...unread, status: "closed" },
} satisfies Record<string, Machine>;

const renewed = { type: "renewed", record: f2, stored: true } as const;
const failed = { type: "failed", what: "the network", cause: undefined } as const;
const rejected = { type: "rejected", what: "invalid_grant", cause: undefined, stored: true } as const;
const ended = (outcome: Extract<Input, { type: "ended" }>["outcome"]) => (machine: Machine) =>
  ({ type: "ended", round: machine.round ?? earlier, outcome, now: NOW }) as const;

const inputs = {
  reload: { type: "reload" },
  "read a record": { type: "read", record: f1, first: null, now: NOW },
  "read nothing": { type: "read", record: null, first: null, now: NOW },
  "read nothing, given tokens": {
    type: "read",
    record: null,
    first: { record: f0, status: "storing" },
    now: NOW,
  },
  "read nothing, under cookies": {
    type: "read",
    record: null,
    first: { record: f0, status: "signedIn" },
    now: NOW,
  },
  "read nothing, to restore": {
    type: "read",
    record: null,
    first: { record: fNone, status: "restoring" },
    now: NOW,
  },
  readFailed: { type: "readFailed", error: failure },
  "found nothing": { type: "found", record: null },
  "found an older record": { type: "found", record: f0 },
  "found the same record": { type: "found", record: f1 },
  "found a newer record": { type: "found", record: f2 },
  "found another family": { type: "found", record: g0 },
  "needed, stale": { type: "needed", reason: "stale", now: NOW },
  "needed, ageing": { type: "needed", reason: "ageing", now: NOW },
  "needed, requested": { type: "needed", reason: "requested", now: NOW },
  "needed, restore": { type: "needed", reason: "restore", now: NOW },
  refused: { type: "refused", family: "f", generation: 1, now: NOW },
  "refused, sent with an older one": { type: "refused", family: "f", generation: 0, now: NOW },
  "refused, sent under another family": { type: "refused", family: "g", generation: 1, now: NOW },
  renewed: ended(renewed),
  "renewed, not stored": ended({ ...renewed, stored: false }),
  overtaken: ended({ type: "overtaken" }),
  failed: ended(failed),
  "failed, to be asked later": ended({ ...failed, retryAfter: 20_000 }),
  "failed, rotated": ended({ ...failed, rotated: { record: f2, stored: true } }),
  "failed, rotated, not stored": ended({ ...failed, rotated: { record: f2, stored: false } }),
  rejected: ended(rejected),
  "rejected, not stored": ended({ ...rejected, stored: false }),
  "ended, an earlier round": { type: "ended", round: earlier, outcome: renewed, now: NOW },
  renewedLate: { type: "renewedLate", record: f2, stored: true },
  "renewedLate, not stored": { type: "renewedLate", record: f2, stored: false },
  "renewedLate, another family": { type: "renewedLate", record: g0, stored: true },
  signIn: { type: "signIn", record: g0 },
  signOut: { type: "signOut" },
  saved: { type: "saved", record: f1, stored: true },
  "saved, not stored": { type: "saved", record: f1, stored: false },
  "saved, nothing": { type: "saved", record: null, stored: true },
  "saved, an earlier record": { type: "saved", record: f0, stored: true },
  "saved, not served yet": { type: "saved", record: f2, stored: true },
  close: { type: "close" },
} satisfies Record<string, Input | ((machine: Machine) => Input)>;

type Name = keyof typeof machines;
type Given = keyof typeof inputs;

const ALL = Object.keys(machines) as Name[];
const OPEN = ALL.filter((at) => at !== "closed");
const SIGNED_IN = ALL.filter((at) => machines[at].status === "signedIn");
const STORING = ALL.filter((at) => machines[at].status === "storing");
const RESTORING = ALL.filter((at) => machines[at].status === "restoring");

// What each input comes to, and from where. From anywhere else: nothing.
const table: Record<Given, Record<string, readonly Name[]>> = {
  reload: { "loading | load": ["unread"] },
  "read a record": { "signedIn record=f1 stored=f1 | “loaded” | wake": ["loading"] },
  "read nothing": { "signedOut | “loaded” | wake": ["loading"] },
  "read nothing, given tokens": { "storing record=f0 | save f0 | “loaded”": ["loading"] },
  "read nothing, under cookies": { "signedIn record=f0 | “loaded” | wake": ["loading"] },
  "read nothing, to restore": {
    "restoring record=f-1 round=restore:f-1 | renew restore:f-1 | “refreshStarted restore 1”": ["loading"],
  },
  readFailed: { "unread | fail RefreshFailedError": ["loading"] },
  "found nothing": {
    "signedOut | overtake | fail SignedOutError | “signedOut another”": SIGNED_IN,
    signedOut: ["signedOut, not removed"],
  },
  "found an older record": {
    "signedIn record=f0 stored=f0 round=restore:f-1 | “loaded” | “refreshed another” | wake": ["restoring"],
    "signedIn record=f0 stored=f0 | “loaded” | “refreshed another” | wake": ["restoring, cooling"],
    "signedIn record=f0 stored=f0 | overtake | fail SignedOutError | “signedIn another” | wake": [
      "signedOut",
      "signedOut, not removed",
      "signedOut, rejected",
    ],
    "storing record=f1 stored=f0": ["storing, first"],
    "signedIn record=f1 stored=f0": ["signedIn"],
    "signedIn record=f1 stored=f0 refused=true": ["signedIn, refused"],
    "signedIn record=f1 stored=f0 refusals=[-29999,0]": ["signedIn, refused often"],
    "signedIn record=f1 stored=f0 coolDown=1×1000@99900": ["signedIn, cooling"],
    "signedIn record=f1 stored=f0 round=stale:f1": ["refreshing", "refreshing, stored"],
    "signedIn record=f2 stored=f0 round=stale:f1": ["refreshing, outrun"],
  },
  "found the same record": {
    "signedIn record=f1 stored=f1 round=restore:f-1 | “loaded” | “refreshed another” | wake": ["restoring"],
    "signedIn record=f1 stored=f1 | “loaded” | “refreshed another” | wake": ["restoring, cooling"],
    "signedIn record=f1 stored=f1 | overtake | fail SignedOutError | “signedIn another” | wake": [
      "signedOut",
      "signedOut, rejected",
    ],
    "storing record=f1 stored=f1": ["storing, first"],
    "signedIn record=f1 stored=f1": ["signedIn, unsaved"],
    "signedIn record=f1 stored=f1 round=stale:f1": ["refreshing, stored"],
    "signedIn record=f2 stored=f1 round=stale:f1": ["refreshing, outrun"],
  },
  "found a newer record": {
    "signedIn record=f2 stored=f2 round=restore:f-1 | “loaded” | “refreshed another” | wake": ["restoring"],
    "signedIn record=f2 stored=f2 | “loaded” | “refreshed another” | wake": ["restoring, cooling"],
    "signedIn record=f2 stored=f2 | overtake | fail SignedOutError | “signedIn another” | wake": [
      "signedOut",
      "signedOut, not removed",
      "signedOut, rejected",
    ],
    "signedIn record=f2 stored=f2 | “refreshed another” | wake": [
      ...STORING,
      "signedIn",
      "signedIn, unsaved",
      "signedIn, refused",
      "signedIn, cooling",
    ],
    "signedIn record=f2 stored=f2 refusals=[-29999,0] | “refreshed another” | wake": [
      "signedIn, refused often",
    ],
    "signedIn record=f2 stored=f2 round=stale:f1 | “refreshed another” | wake": ["refreshing"],
  },
  "found another family": {
    "signedIn record=g0 stored=g0 | overtake | “loaded” | “signedIn another” | wake": RESTORING,
    "signedIn record=g0 stored=g0 | overtake | fail SignedOutError | “signedIn another” | wake": [
      ...SIGNED_IN,
      "signedOut",
      "signedOut, not removed",
      "signedOut, rejected",
      "storing, first",
    ],
  },
  "needed, stale": {
    "signedIn record=f1 stored=f1 round=stale:f1 | renew stale:f1 | “refreshStarted stale 1”": ["signedIn"],
    "signedIn record=f1 stored=f0 round=stale:f1 | renew stale:f1 | “refreshStarted stale 1”": [
      "signedIn, unsaved",
    ],
    "signedIn record=f1 stored=f1 round=stale:f1 refused=true | renew stale:f1 | “refreshStarted stale 1”": [
      "signedIn, refused",
    ],
    "signedIn record=f1 stored=f1 round=stale:f1 refusals=[-29999,0] | renew stale:f1 | “refreshStarted stale 1”":
      ["signedIn, refused often"],
  },
  "needed, ageing": {
    "signedIn record=f1 stored=f1 round=ageing:f1 | renew ageing:f1 | “refreshStarted ageing 1”": [
      "signedIn",
    ],
    "signedIn record=f1 stored=f0 round=ageing:f1 | renew ageing:f1 | “refreshStarted ageing 1”": [
      "signedIn, unsaved",
    ],
    "signedIn record=f1 stored=f1 round=ageing:f1 refused=true | renew ageing:f1 | “refreshStarted ageing 1”":
      ["signedIn, refused"],
    "signedIn record=f1 stored=f1 round=ageing:f1 refusals=[-29999,0] | renew ageing:f1 | “refreshStarted ageing 1”":
      ["signedIn, refused often"],
  },
  "needed, requested": {
    "restoring record=f-1 round=requested:f-1 coolDown=1×1000@99900 | renew requested:f-1 | “refreshStarted requested 1”":
      ["restoring, cooling"],
    "signedIn record=f1 stored=f1 round=requested:f1 | renew requested:f1 | “refreshStarted requested 1”": [
      "signedIn",
    ],
    "signedIn record=f1 stored=f0 round=requested:f1 | renew requested:f1 | “refreshStarted requested 1”": [
      "signedIn, unsaved",
    ],
    "signedIn record=f1 stored=f1 round=requested:f1 refused=true | renew requested:f1 | “refreshStarted requested 1”":
      ["signedIn, refused"],
    "signedIn record=f1 stored=f1 round=requested:f1 refusals=[-29999,0] | renew requested:f1 | “refreshStarted requested 1”":
      ["signedIn, refused often"],
    "signedIn record=f1 stored=f1 round=requested:f1 coolDown=1×1000@99900 | renew requested:f1 | “refreshStarted requested 1”":
      ["signedIn, cooling"],
  },
  "needed, restore": {
    "signedIn record=f1 stored=f1 round=restore:f1 | renew restore:f1 | “refreshStarted restore 1”": [
      "signedIn",
    ],
    "signedIn record=f1 stored=f0 round=restore:f1 | renew restore:f1 | “refreshStarted restore 1”": [
      "signedIn, unsaved",
    ],
    "signedIn record=f1 stored=f1 round=restore:f1 refused=true | renew restore:f1 | “refreshStarted restore 1”":
      ["signedIn, refused"],
    "signedIn record=f1 stored=f1 round=restore:f1 refusals=[-29999,0] | renew restore:f1 | “refreshStarted restore 1”":
      ["signedIn, refused often"],
  },
  refused: {
    "signedIn record=f1 stored=f1 round=refused:f1 refused=true refusals=[0] | renew refused:f1 | “refreshStarted refused 1”":
      ["signedIn", "signedIn, refused"],
    "signedIn record=f1 stored=f0 round=refused:f1 refused=true refusals=[0] | renew refused:f1 | “refreshStarted refused 1”":
      ["signedIn, unsaved"],
    "signedIn record=f1 stored=f1 refused=true refusals=[-29999,0] | “refreshSuppressed”": [
      "signedIn, refused often",
    ],
    "signedIn record=f1 stored=f1 refused=true coolDown=1×1000@99900": ["signedIn, cooling"],
    "signedIn record=f1 stored=f1 round=stale:f1 refused=true": ["refreshing"],
    "signedIn record=f1 stored=f2 round=stale:f1 refused=true": ["refreshing, stored"],
  },
  "refused, sent with an older one": {},
  "refused, sent under another family": {},
  renewed: {
    "signedIn record=f2 stored=f2 | “loaded” | “refreshed us” | wake": ["restoring"],
    "signedIn record=f2 stored=f2 | “refreshed us” | wake": ["refreshing", "refreshing, stored"],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  "renewed, not stored": {
    "signedIn record=f2 | “loaded” | “refreshed us” | wake": ["restoring"],
    "signedIn record=f2 stored=f1 | “refreshed us” | wake": ["refreshing"],
    "signedIn record=f2 stored=f2 | “refreshed us” | wake": ["refreshing, stored"],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  overtaken: {
    "restoring record=f-1 | wake": ["restoring"],
    "signedIn record=f1 stored=f1 | wake": ["refreshing"],
    "signedIn record=f1 stored=f2 | wake": ["refreshing, stored"],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  failed: {
    "restoring record=f-1 coolDown=1×1000@100000 | fail RefreshFailedError through -1 | “refreshFailed RefreshFailedError” | wake":
      ["restoring"],
    "signedIn record=f1 stored=f1 coolDown=1×1000@100000 | fail RefreshFailedError through 1 | “refreshFailed RefreshFailedError” | wake":
      ["refreshing"],
    "signedIn record=f1 stored=f2 coolDown=1×1000@100000 | fail RefreshFailedError through 1 | “refreshFailed RefreshFailedError” | wake":
      ["refreshing, stored"],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  "failed, to be asked later": {
    "restoring record=f-1 coolDown=1×20000@100000 | fail RefreshFailedError through -1 | “refreshFailed RefreshFailedError” | wake":
      ["restoring"],
    "signedIn record=f1 stored=f1 coolDown=1×20000@100000 | fail RefreshFailedError through 1 | “refreshFailed RefreshFailedError” | wake":
      ["refreshing"],
    "signedIn record=f1 stored=f2 coolDown=1×20000@100000 | fail RefreshFailedError through 1 | “refreshFailed RefreshFailedError” | wake":
      ["refreshing, stored"],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  "failed, rotated": {
    "restoring record=f2 stored=f2 coolDown=1×1000@100000 | fail RefreshFailedError through -1 | “refreshFailed RefreshFailedError” | wake":
      ["restoring"],
    "signedIn record=f2 stored=f2 coolDown=1×1000@100000 | fail RefreshFailedError through 1 | “refreshFailed RefreshFailedError” | wake":
      ["refreshing", "refreshing, stored"],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  "failed, rotated, not stored": {
    "restoring record=f2 coolDown=1×1000@100000 | fail RefreshFailedError through -1 | “refreshFailed RefreshFailedError” | wake":
      ["restoring"],
    "signedIn record=f2 stored=f1 coolDown=1×1000@100000 | fail RefreshFailedError through 1 | “refreshFailed RefreshFailedError” | wake":
      ["refreshing"],
    "signedIn record=f2 stored=f2 coolDown=1×1000@100000 | fail RefreshFailedError through 1 | “refreshFailed RefreshFailedError” | wake":
      ["refreshing, stored"],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  rejected: {
    "signedOut | “loaded” | wake": ["restoring"],
    "signedOut rejected=f | fail RefreshRejectedError | “signedOut us RefreshRejectedError”": [
      "refreshing",
      "refreshing, stored",
    ],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  "rejected, not stored": {
    "signedOut | “loaded” | wake": ["restoring"],
    "signedOut stored=f1 rejected=f | fail RefreshRejectedError | “signedOut us RefreshRejectedError”": [
      "refreshing",
    ],
    "signedOut stored=f2 rejected=f | fail RefreshRejectedError | “signedOut us RefreshRejectedError”": [
      "refreshing, stored",
    ],
    "signedIn record=f2 stored=f2 | wake": ["refreshing, outrun"],
  },
  "ended, an earlier round": {},
  renewedLate: {
    "signedIn record=f2 stored=f2 round=restore:f-1 | “loaded” | “refreshed us” | wake": ["restoring"],
    "signedIn record=f2 stored=f2 | “loaded” | “refreshed us” | wake": ["restoring, cooling"],
    "signedIn record=f2 stored=f2 | “refreshed us” | wake": [
      ...STORING,
      "signedIn",
      "signedIn, unsaved",
      "signedIn, refused",
      "signedIn, cooling",
    ],
    "signedIn record=f2 stored=f2 refusals=[-29999,0] | “refreshed us” | wake": ["signedIn, refused often"],
    "signedIn record=f2 stored=f2 round=stale:f1 | “refreshed us” | wake": [
      "refreshing",
      "refreshing, stored",
    ],
  },
  "renewedLate, not stored": {
    "signedIn record=f2 round=restore:f-1 | “loaded” | “refreshed us” | wake": ["restoring"],
    "signedIn record=f2 | “loaded” | “refreshed us” | wake": ["restoring, cooling"],
    "signedIn record=f2 stored=undefined | “refreshed us” | wake": ["storing"],
    "signedIn record=f2 | “refreshed us” | wake": ["storing, first"],
    "signedIn record=f2 stored=f1 | “refreshed us” | wake": [
      "signedIn",
      "signedIn, refused",
      "signedIn, cooling",
    ],
    "signedIn record=f2 stored=f0 | “refreshed us” | wake": ["signedIn, unsaved"],
    "signedIn record=f2 stored=f1 refusals=[-29999,0] | “refreshed us” | wake": ["signedIn, refused often"],
    "signedIn record=f2 stored=f1 round=stale:f1 | “refreshed us” | wake": ["refreshing"],
    "signedIn record=f2 stored=f2 round=stale:f1 | “refreshed us” | wake": ["refreshing, stored"],
  },
  "renewedLate, another family": {},
  signIn: {
    "storing record=g0 stored=undefined | overtake | fail SignedOutError | save g0 | “signedIn us”": OPEN,
  },
  signOut: {
    "signedOut stored=undefined | overtake | fail SignedOutError | save null | “signedOut us”": [
      ...SIGNED_IN,
      ...STORING,
      ...RESTORING,
      "unread",
      "loading",
    ],
    "signedOut stored=undefined | save null": ["signedOut, to be stored", "signedOut, not removed"],
  },
  saved: {
    "signedIn record=f1 stored=f1 | wake": STORING,
    "signedIn record=f1 stored=f1": ["signedIn, unsaved"],
    "signedIn record=f1 stored=f1 round=stale:f1": ["refreshing, stored"],
    "restoring record=f-1 stored=f1 round=restore:f-1": ["restoring"],
    "restoring record=f-1 stored=f1 coolDown=1×1000@99900": ["restoring, cooling"],
    "signedIn record=f2 stored=f1 round=stale:f1": ["refreshing, outrun"],
  },
  "saved, not stored": {
    "signedIn record=f1 stored=undefined | wake": ["storing"],
    "signedIn record=f1 | wake": ["storing, first"],
  },
  "saved, nothing": { signedOut: ["signedOut, to be stored", "signedOut, not removed"] },
  "saved, an earlier record": {
    "restoring record=f-1 stored=f0 round=restore:f-1": ["restoring"],
    "restoring record=f-1 stored=f0 coolDown=1×1000@99900": ["restoring, cooling"],
    "storing record=f1 stored=f0": STORING,
    "signedIn record=f1 stored=f0": ["signedIn"],
    "signedIn record=f1 stored=f0 refused=true": ["signedIn, refused"],
    "signedIn record=f1 stored=f0 refusals=[-29999,0]": ["signedIn, refused often"],
    "signedIn record=f1 stored=f0 coolDown=1×1000@99900": ["signedIn, cooling"],
    "signedIn record=f1 stored=f0 round=stale:f1": ["refreshing", "refreshing, stored"],
    "signedIn record=f2 stored=f0 round=stale:f1": ["refreshing, outrun"],
  },
  "saved, not served yet": {
    "restoring record=f-1 stored=f2 round=restore:f-1": ["restoring"],
    "restoring record=f-1 stored=f2 coolDown=1×1000@99900": ["restoring, cooling"],
    "storing record=f1 stored=f2": STORING,
    "signedIn record=f1 stored=f2": ["signedIn", "signedIn, unsaved"],
    "signedIn record=f1 stored=f2 refused=true": ["signedIn, refused"],
    "signedIn record=f1 stored=f2 refusals=[-29999,0]": ["signedIn, refused often"],
    "signedIn record=f1 stored=f2 coolDown=1×1000@99900": ["signedIn, cooling"],
    "signedIn record=f1 stored=f2 round=stale:f1": ["refreshing"],
  },
  close: { "closed | overtake | fail SignedOutError": ALL },
};

const NOTHING = "nothing";
const boxes = (Object.keys(inputs) as Given[]).flatMap((input) =>
  ALL.map((at) => ({ input, at, outcome: outcomeOf(input, at) })),
);

test.each(boxes)("$input, when $at: $outcome", ({ input, at, outcome }) => {
  const [next, effects] = step(input, at);

  expect(shown(next, effects, machines[at])).toBe(outcome);
});

test("moves along the arrows of its drawing, and along no other", () => {
  const moves = boxes
    .map(({ input, at }) => `${machines[at].status} → ${step(input, at)[0].status}`)
    .filter((move) => !/^(\w+) → \1$|→ closed$/.test(move));

  expect([...new Set(moves)].sort()).toStrictEqual([
    "loading → restoring",
    "loading → signedIn",
    "loading → signedOut",
    "loading → storing",
    "loading → unread",
    "restoring → signedIn",
    "restoring → signedOut",
    "restoring → storing",
    "signedIn → signedOut",
    "signedIn → storing",
    "signedOut → signedIn",
    "signedOut → storing",
    "storing → signedIn",
    "storing → signedOut",
    "unread → loading",
    "unread → signedOut",
    "unread → storing",
  ]);
});

test("has a record exactly where one is served, or about to be", () => {
  const wrong = boxes.filter(({ input, at }) => {
    const [{ status, record }] = step(input, at);
    return (record !== null) !== /restoring|storing|signedIn/.test(status);
  });

  expect(wrong).toStrictEqual([]);
});

test("begins a round only where none is in flight and a record is there to be renewed", () => {
  const begun = boxes.filter(({ input, at }) => step(input, at)[1].some(({ type }) => type === "renew"));
  const rounds = boxes.filter(({ input, at }) => {
    const { round } = step(input, at)[0];
    return round !== null && round !== machines[at].round;
  });
  const wrong = begun.filter(({ input, at }) => machines[at].round || !step(input, at)[0].record);

  expect(begun).toStrictEqual(rounds);
  expect(wrong).toStrictEqual([]);
});

test("leaves what it is given as it was", () => {
  const before = ALL.map((at) => whole(machines[at]));

  for (const { input, at } of boxes) step(input, at);

  expect(ALL.map((at) => whole(machines[at]))).toStrictEqual(before);
});

test.each([
  [1, 1_000],
  [2, 2_000],
  [3, 4_000],
  [4, 8_000],
  [5, 16_000],
  [6, 30_000],
  [7, 30_000],
])("cools down after %i failed rounds in a row for %i ms", (rounds, ms) => {
  const machine = { ...machines.refreshing, coolDown: { ...coolDown, rounds: rounds - 1 } };

  const [{ coolDown: next }] = transition(machine, inputOf("failed", machine), policy);

  expect(next).toStrictEqual({ error: expect.any(RefreshFailedError), since: NOW, ms, rounds });
  expect(next?.error.retryAt).toBe(NOW + ms);
});

test.each([
  [999, 1_000],
  [1_001, 1_001],
  [3_600_000, 3_600_000],
  [3_600_001, 3_600_000],
])("makes of a Retry-After of %i ms a cool-down of %i ms", (retryAfter, ms) => {
  const outcome = { ...failed, retryAfter };

  const [next] = transition(machines.refreshing, { type: "ended", round: ours, outcome, now: NOW }, policy);

  expect(next.coolDown?.ms).toBe(ms);
});

test("says of a failed round when it is tried again, and why it failed", () => {
  const cause = new Error("socket hang up");
  const outcome = { ...failed, what: "the network is down", cause };

  const [{ coolDown: next }] = transition(
    machines.refreshing,
    { type: "ended", round: ours, outcome, now: NOW },
    policy,
  );

  expect(next?.error).toMatchObject({ code: "ERR_REFRESH_FAILED", retryAt: NOW + 1000, cause });
  expect(next?.error.message).toBe(
    "The access token could not be refreshed: the network is down. The session is kept; try again after 1970-01-01T00:01:41.000Z",
  );
});

test("says of a rejected round what to do, and why it was rejected", () => {
  const cause = new Error("The token endpoint answered 400 invalid_grant");
  const outcome = { ...rejected, what: "the server said so", cause };

  const [next] = transition(machines.refreshing, { type: "ended", round: ours, outcome, now: NOW }, policy);

  expect(next.rejected?.error).toMatchObject({ code: "ERR_REFRESH_REJECTED", cause });
  expect(next.rejected?.error.message).toBe(
    "The session has ended: the server said so. Let the user sign in again, then call session.signIn()",
  );
});

test.each([
  ["none", [], true],
  ["one in the window", [NOW], true],
  ["two, one of them 29,999 ms ago", [NOW - 29_999, NOW], false],
  ["two, one of them 30,000 ms ago", [NOW - 30_000, NOW], true],
  ["two, before the clock was set back", [NOW + 1, NOW + 2], true],
])("limits the rounds that refusals cause: %s", (_, refusals, isAllowed) => {
  const [next, effects] = transition({ ...signedIn, refusals }, inputs.refused, policy);

  expect(next.round !== null).toBe(isAllowed);
  expect(effects.at(-1)).toStrictEqual({
    type: "emit",
    event: isAllowed
      ? { type: "refreshStarted", reason: "refused", attempt: 1 }
      : { type: "refreshSuppressed" },
  });
});

test("limits no rounds where the limit is false, and all where it is zero", () => {
  const often = { ...signedIn, refusals: Array.from({ length: 100 }, () => NOW) };

  const unlimited = transition(often, inputs.refused, { ...policy, refusalLimit: false });
  const none = transition(signedIn, inputs.refused, { ...policy, refusalLimit: { max: 0, within: 30_000 } });

  expect(unlimited[0].round).toStrictEqual({ reason: "refused", from: f1 });
  expect(none[0].round).toBeNull();
});

test("forgets refusals that have left the window", () => {
  const machine = { ...signedIn, refusals: [NOW - 40_000, NOW - 30_000, NOW - 1] };

  const [{ refusals }] = transition(machine, inputs.refused, policy);

  expect(refusals).toStrictEqual([NOW - 1, NOW]);
});

test("forgets refusals where none are counted", () => {
  const often = { ...signedIn, refusals: [NOW - 2, NOW - 1] };

  const [{ refusals }] = transition(often, inputs.refused, { ...policy, refusalLimit: false });

  expect(refusals).toStrictEqual([NOW]);
});

test.each([
  ["when it begins", NOW - 1000, false],
  ["a moment before its end", NOW - 1, false],
  ["at its end", NOW, true],
  ["after the clock was set back behind it", NOW - 1001, true],
])("starts no round in a cool-down: %s", (_, now, starts) => {
  const machine = { ...signedIn, coolDown: { error: failure, since: NOW - 1000, ms: 1000, rounds: 1 } };

  for (const input of [
    { type: "needed", reason: "stale", now },
    { type: "refused", family: "f", generation: 1, now },
  ] as const) {
    expect(transition(machine, input, policy)[0].round !== null).toBe(starts);
  }
});

test("keeps one round while an ageing refresh runs, another renews, and the newer token is refused", () => {
  const ageing: Round = { reason: "ageing", from: f1 };

  const machine = told(
    signedIn,
    { type: "needed", reason: "ageing", now: NOW },
    { type: "found", record: f2 },
    { type: "refused", family: "f", generation: 2, now: NOW },
  );
  const [idle, effects] = transition(
    machine,
    { type: "ended", round: machine.round as Round, outcome: { type: "overtaken" }, now: NOW },
    policy,
  );
  const again = told(idle, { type: "refused", family: "f", generation: 2, now: NOW });

  expect(machine).toStrictEqual({ ...signedIn, record: f2, stored: f2, round: ageing, refused: true });
  expect([idle.round, effects]).toStrictEqual([null, [{ type: "wake" }]]);
  expect(again.round).toStrictEqual({ reason: "refused", from: f2 });
});

test("takes for its own what it stored and has not told yet, when the store is heard to hold it", () => {
  const machine = told(
    signedIn,
    { type: "needed", reason: "stale", now: NOW },
    { type: "saved", record: f2, stored: true },
  );
  const heard = told(machine, { type: "found", record: f2 });
  const round = machine.round as Round;
  const [next, effects] = transition(heard, { type: "ended", round, outcome: renewed, now: NOW }, policy);

  expect(heard).toBe(machine);
  expect(next).toStrictEqual({ ...signedIn, record: f2, stored: f2 });
  expect(effects).toStrictEqual([{ type: "emit", event: { type: "refreshed", by: "us" } }, { type: "wake" }]);
});

test("starts a round for the family signed in now while one of the earlier family still runs", () => {
  const machine = told(
    machines.refreshing,
    { type: "signIn", record: g0 },
    { type: "saved", record: g0, stored: true },
    { type: "needed", reason: "stale", now: NOW },
  );
  const late = told(machine, { type: "ended", round: ours, outcome: renewed, now: NOW });

  expect(machine.round).toStrictEqual({ reason: "stale", from: g0 });
  expect(late).toBe(machine);
});

test("owns the signal of an attempt whose family has ended as well as that of the present one", async () => {
  const signals: AbortSignal[] = [];
  const refresh = ({ signal }: { signal: AbortSignal }) => {
    signals.push(signal);
    return new Promise<never>(() => {});
  };
  const session = createSession({ refresh, clock: createClock() });
  const connection = session.connect({ origins: ["https://api.test"] });

  await session.signIn({ accessToken: "a0", refreshToken: "r0" });
  session.refresh().catch(() => {});
  await settled();
  await session.signIn({ accessToken: "2.a0", refreshToken: "2.r0" });
  session.refresh().catch(() => {});
  await settled();

  expect(signals.map(connection.owns)).toStrictEqual([true, true]);
  expect([new AbortController().signal, null, undefined].map(connection.owns)).toStrictEqual([
    false,
    false,
    false,
  ]);
});

test.each([
  ["unread", false, undefined],
  ["loading", true, undefined],
  ["restoring", true, undefined],
  ["restoring, cooling", false, undefined],
  ["signedOut", false, ""],
  ["storing", false, "f"],
  ["signedIn", false, "f"],
  ["refreshing", false, "f"],
  ["closed", false, undefined],
] as const)(
  "knows whether it is being found out who is signed in, and the stamp: %s",
  (at, pending, stamp) => {
    expect([isPending(machines[at]), familyOf(machines[at])]).toStrictEqual([pending, stamp]);
  },
);

function outcomeOf(input: Given, at: Name): string {
  const [outcome] = Object.entries(table[input]).find(([, from]) => from.includes(at)) ?? [NOTHING];
  return outcome;
}

function inputOf(name: Given, machine: Machine): Input {
  const given: Input | ((machine: Machine) => Input) = inputs[name];
  return typeof given === "function" ? given(machine) : given;
}

function step(input: Given, at: Name): Step {
  return transition(machines[at], inputOf(input, machines[at]), policy);
}

function told(machine: Machine, ...story: Input[]): Machine {
  return story.reduce((before, input) => transition(before, input, policy)[0], machine);
}

// "status field=value | effect | effect": all in which it differs from a blank one, and what is to be done.
function shown(next: Machine, effects: readonly Effect[], before: Machine): string {
  if (effects.length === 0 && whole(next) === whole(before)) return NOTHING;
  return [whole(next), ...effects.map(done)].join(" | ");
}

function whole({ status, ...machine }: Machine): string {
  const blank = fieldsOf(unread);
  return [status, ...fieldsOf(machine).filter((field) => !blank.includes(field))].join(" ");
}

function fieldsOf(machine: Omit<Machine, "status">): string[] {
  return Object.entries(machine).map(([name, value]) => `${name}=${short(value)}`);
}

function short(value: Machine[keyof Machine] | undefined): string {
  if (value === null || typeof value !== "object") return String(value);
  if ("tokens" in value) return `${value.family}${value.generation}`;
  if ("reason" in value) return `${value.reason}:${short(value.from)}`;
  if ("rounds" in value) return `${value.rounds}×${value.ms}@${value.since}`;
  return "error" in value ? value.family : `[${value.map((at) => at - NOW)}]`;
}

function done(effect: Effect): string {
  switch (effect.type) {
    case "save":
      return `save ${short(effect.record)}`;
    case "renew":
      return `renew ${short(effect.round)}`;
    case "fail":
      return `fail ${effect.error.name}${"through" in effect ? ` through ${effect.through}` : ""}`;
    case "emit":
      return `“${Object.values(effect.event).map(nameOf).join(" ")}”`;
    default:
      return effect.type;
  }
}

function nameOf(part: unknown): string {
  return part instanceof Error ? part.name : String(part);
}
