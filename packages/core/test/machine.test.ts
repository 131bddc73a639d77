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
  transition,
  unread,
} from "../src/machine.ts";
import type { SessionRecord } from "../src/store.ts";

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
  "signedOut, rejected": { ...unread, status: "signedOut", rejected: { family: "f", error: rejection } },
  storing: { ...unread, status: "storing", record: f1, stored: undefined },
  signedIn,
  "signedIn, unsaved": { ...signedIn, stored: f0 },
  "signedIn, refused": { ...signedIn, refused: true },
  "signedIn, refused often": { ...signedIn, refusals: [NOW - 29_999, NOW] },
  "signedIn, cooling": { ...signedIn, coolDown },
  refreshing: { ...signedIn, round: ours },
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
  "read nothing, given tokens": { type: "read", record: null, first: { record: f0, status: "storing" }, now: NOW },
  "read nothing, under cookies": { type: "read", record: null, first: { record: f0, status: "signedIn" }, now: NOW },
  "read nothing, to restore": { type: "read", record: null, first: { record: fNone, status: "restoring" }, now: NOW },
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
  close: { type: "close" },
} satisfies Record<string, Input | ((machine: Machine) => Input)>;

//TABLE

const boxes = (Object.keys(machines) as (keyof typeof machines)[]).flatMap((at) =>
  (Object.keys(inputs) as (keyof typeof inputs)[]).map((input) => ({ at, input })),
);

test("dump", async () => {
  const out: Record<string, Record<string, string>> = {};
  for (const { at, input } of boxes) {
    const cell = step(at, input);
    if (cell) (out[input] ??= {})[at] = cell;
    else out[input] ??= {};
  }
  const fs = await import("node:fs");
  fs.writeFileSync("/tmp/dump.json", JSON.stringify(out, null, 2));
});

// What changes and what is done about it: "field=value … | effect, effect"; "" where nothing is.
function step(at: keyof typeof machines, name: keyof typeof inputs): string {
  const machine: Machine = machines[at];
  const given: Input | ((machine: Machine) => Input) = inputs[name];
  const [next, effects] = transition(machine, typeof given === "function" ? given(machine) : given, policy);
  const changed = (Object.keys(machine) as (keyof Machine)[]).filter((key) => next[key] !== machine[key]);
  const fields = changed.map((key) => `${key}=${told(next[key])}`);
  return effects.length + fields.length === 0 ? "" : `${fields.join(" ")} | ${effects.map(done).join(", ")}`;
}

function told(value: Machine[keyof Machine] | undefined): string {
  if (value === null || typeof value !== "object") return String(value);
  if ("tokens" in value) return `${value.family}${value.generation}`;
  if ("reason" in value) return `${value.reason}:${told(value.from)}`;
  if ("rounds" in value) return `${value.since}+${value.ms}×${value.rounds}`;
  return "error" in value ? `${value.family}:${value.error.name}` : JSON.stringify(value);
}

function done(effect: Effect): string {
  switch (effect.type) {
    case "save":
      return `save ${told(effect.record)}${"expected" in effect ? ` over ${told(effect.expected)}` : ""}`;
    case "renew":
      return `renew ${told(effect.round)}`;
    case "fail":
      return `fail ${effect.error.name}${"through" in effect ? ` through ${effect.through}` : ""}`;
    case "emit":
      return `"${[...Object.values(effect.event)].map((part) => (part instanceof Error ? part.name : part)).join(" ")}"`;
    default:
      return effect.type;
  }
}
