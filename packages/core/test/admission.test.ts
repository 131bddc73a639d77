import { expect, test } from "vitest";
import { RefreshFailedError, SignedOutError } from "../src/errors.ts";
import { type Admission, admit, type Machine, type Policy, unread } from "../src/machine.ts";

const NOW = 100_000;
const policy: Policy = { leeway: 5_000, refreshAhead: 60_000, refusalLimit: false };
const left = { fresh: 60_000, ageing: 59_999, stale: 4_999, unknown: undefined };

function recordWith(age: keyof typeof left) {
  const ms = left[age];
  const expiry = ms === undefined ? {} : { expiresAt: NOW + ms, issuedAt: NOW + ms - 3_600_000 };
  return { family: "f", generation: 1, tokens: { accessToken: "a1", ...expiry } };
}

const error = new RefreshFailedError("failed before", { retryAt: NOW + 1 });
const coolDown = { error, since: NOW - 999, ms: 1000, rounds: 1 };

function signedIn(age: keyof typeof left, traits = ""): Machine {
  const record = recordWith(age);
  return {
    ...unread,
    status: "signedIn",
    record,
    round: traits.includes("refreshing") ? { reason: "ageing", from: record } : null,
    refused: traits.includes("refused"),
    coolDown: traits.includes("cooling") ? coolDown : null,
  };
}

// "go", "wait" or "fail", and what comes first: "wait, first stale".
function told(admission: Admission): string {
  if (admission.type === "fail") return `fail with ${admission.error.name}`;
  const { type, first } = admission;
  return first ? `${type}, first ${first.type === "needed" ? first.reason : first.type}` : type;
}

// While signed in: with a body that can be sent twice, and with one that cannot.
const table: [age: keyof typeof left, traits: string, replayable: string, stream: string][] = [
  ["unknown", "", "go", "go"],
  ["unknown", "refreshing", "go", "go"],
  ["unknown", "refreshing, refused", "wait", "wait"],
  ["unknown", "refused", "go", "go"],
  ["unknown", "cooling", "go", "go"],
  ["fresh", "", "go", "go"],
  ["fresh", "refused", "go", "go"],
  ["fresh", "cooling", "go", "go"],
  ["fresh", "cooling, refused", "go", "go"],
  ["fresh", "refreshing", "go", "go"],
  ["fresh", "refreshing, refused", "wait", "wait"],
  ["fresh", "refreshing, cooling", "go", "go"],
  ["fresh", "refreshing, cooling, refused", "wait", "wait"],
  ["ageing", "", "go, first ageing", "wait, first ageing"],
  ["ageing", "refused", "go, first ageing", "wait, first ageing"],
  ["ageing", "cooling", "go", "go"],
  ["ageing", "cooling, refused", "go", "go"],
  ["ageing", "refreshing", "go", "wait"],
  ["ageing", "refreshing, refused", "wait", "wait"],
  ["ageing", "refreshing, cooling", "go", "wait"],
  ["ageing", "refreshing, cooling, refused", "wait", "wait"],
  ["stale", "", "wait, first stale", "wait, first stale"],
  ["stale", "refused", "wait, first stale", "wait, first stale"],
  ["stale", "cooling", "fail with RefreshFailedError", "fail with RefreshFailedError"],
  ["stale", "cooling, refused", "fail with RefreshFailedError", "fail with RefreshFailedError"],
  ["stale", "refreshing", "wait", "wait"],
  ["stale", "refreshing, refused", "wait", "wait"],
  ["stale", "refreshing, cooling", "wait", "wait"],
  ["stale", "refreshing, cooling, refused", "wait", "wait"],
];

test.each(table)("admits under a token that is %s, %s: %s; as a stream: %s", (age, traits, ...expected) => {
  const machine = signedIn(age, traits);

  const admissions = [true, false].map((replayable) => told(admit(machine, replayable, NOW, policy)));

  expect(admissions).toStrictEqual(expected);
});

const restoring: Machine = {
  ...unread,
  status: "restoring",
  record: { family: "f", generation: -1, tokens: {} },
};

test.each<[string, Machine, string]>([
  ["unread", unread, "wait, first reload"],
  ["loading", { ...unread, status: "loading" }, "wait"],
  [
    "restoring, with a round",
    { ...restoring, round: { reason: "restore", from: recordWith("fresh") } },
    "wait",
  ],
  ["restoring, after a failed round", restoring, "wait, first restore"],
  ["restoring, cooling", { ...restoring, coolDown }, "fail with RefreshFailedError"],
  ["signed out", { ...unread, status: "signedOut" }, "go"],
  ["storing a fresh token", { ...signedIn("fresh"), status: "storing" }, "wait"],
  ["storing a stale token", { ...signedIn("stale"), status: "storing" }, "wait"],
  ["closed", { ...unread, status: "closed" }, "fail with SignedOutError"],
])("admits where nobody is signed in yet, or any more: %s: %3$s", (_, machine, expected) => {
  const admissions = [true, false].map((replayable) => told(admit(machine, replayable, NOW, policy)));

  expect(admissions).toStrictEqual([expected, expected]);
});

test("fails in a cool-down with the very error of the round that failed", () => {
  expect(admit(signedIn("stale", "cooling"), true, NOW, policy)).toStrictEqual({ type: "fail", error });
});

test.each([
  ["when it begins", NOW - 999, "fail with RefreshFailedError"],
  ["a moment before it ends", NOW, "fail with RefreshFailedError"],
  ["when it ends", NOW + 1, "wait, first stale"],
  ["when the clock is set back behind it", NOW - 1000, "wait, first stale"],
])("judges the cool-down to its edge: %s", (_, now, expected) => {
  const tokens = { accessToken: "a1", expiresAt: 0 };
  const machine = { ...signedIn("stale", "cooling"), record: { family: "f", generation: 1, tokens } };

  expect(told(admit(machine, true, now, policy))).toBe(expected);
});

test("asks for the refresh at the time it was asked", () => {
  expect(admit(signedIn("ageing"), true, NOW, policy)).toStrictEqual({
    type: "go",
    first: { type: "needed", reason: "ageing", now: NOW },
  });
});

test("never asks for an ageing refresh where none is wanted", () => {
  const admission = admit(signedIn("ageing"), false, NOW, { ...policy, refreshAhead: false });

  expect(admission).toStrictEqual({ type: "go" });
});

test("admits a session without an access token, under cookies, as fresh", () => {
  const machine: Machine = { ...signedIn("fresh"), record: { family: "cookie", generation: 0, tokens: {} } };

  expect(admit(machine, true, NOW, policy)).toStrictEqual({ type: "go" });
});

test("says to whom the session was closed that it was", () => {
  const admission = admit({ ...unread, status: "closed" }, true, NOW, policy);

  expect(admission).toStrictEqual({ type: "fail", error: expect.any(SignedOutError) });
  expect(admission).toHaveProperty(
    "error.message",
    "The session was closed. Make requests through a session that is open",
  );
});
