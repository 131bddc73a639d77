import { expect, test } from "vitest";
import { RefreshRejectedError } from "../src/errors.ts";
import { type Machine, unread } from "../src/machine.ts";
import { type SessionState, snapshot } from "../src/state.ts";

const tokens = { accessToken: "a0", refreshToken: "r0" };
const record = { family: "f", generation: 0, tokens };
const error = new RefreshRejectedError("ended");
const round = { reason: "stale", from: record } as const;

test.each<[string, Partial<Machine>, SessionState]>([
  ["unread", {}, { status: "loading" }],
  ["loading", { status: "loading" }, { status: "loading" }],
  ["restoring", { status: "restoring", record, round }, { status: "loading" }],
  ["restoring, after a failed round", { status: "restoring", record }, { status: "loading" }],
  ["signedOut", { status: "signedOut" }, { status: "signedOut" }],
  [
    "signedOut, rejected",
    { status: "signedOut", rejected: { family: "f", error } },
    { status: "signedOut", error },
  ],
  ["storing", { status: "storing", record }, { status: "signedIn", tokens, refreshing: false }],
  ["signedIn", { status: "signedIn", record }, { status: "signedIn", tokens, refreshing: false }],
  ["refreshing", { status: "signedIn", record, round }, { status: "signedIn", tokens, refreshing: true }],
  ["closed", { status: "closed" }, { status: "signedOut" }],
])("shows a machine that is %s", (_, machine, expected) => {
  const state = snapshot({ ...unread, ...machine });

  expect(state).toStrictEqual(expected);
  expect(Object.isFrozen(state)).toBe(true);
});

test("is the same object until something of it changes", () => {
  const machine: Machine = { ...unread, status: "signedIn", record };
  const before = snapshot(machine);

  const same = [
    { ...machine },
    { ...machine, status: "storing" as const },
    { ...machine, refused: true },
  ].map((next) => snapshot(next, before));

  expect(same.every((state) => state === before)).toBe(true);
});

test.each<[string, Partial<Machine>]>([
  ["another token set, though it says the same", { record: { ...record, tokens: { ...tokens } } }],
  ["a refresh that starts", { round }],
  ["a sign-out", { status: "signedOut", record: null }],
])("is another object after %s", (_, change) => {
  const machine: Machine = { ...unread, status: "signedIn", record };
  const before = snapshot(machine);

  expect(snapshot({ ...machine, ...change }, before)).not.toBe(before);
});

test("is another object where an error comes or goes", () => {
  const out: Machine = { ...unread, status: "signedOut" };
  const rejected: Machine = { ...out, rejected: { family: "f", error } };

  expect(snapshot(rejected, snapshot(out))).toStrictEqual({ status: "signedOut", error });
  expect(snapshot(out, snapshot(rejected))).toStrictEqual({ status: "signedOut" });
});
