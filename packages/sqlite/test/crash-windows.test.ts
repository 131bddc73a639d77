import { describe, expect, test } from "vitest";
import { type Aftermath, kill, oversleep, stop, type Window } from "../chaos/windows.ts";
import { newFile } from "./support.ts";

const grace = { within: 10_000 };
const kept = (...generations: readonly [generation: number, accessToken: string][]): Aftermath["kept"] => ({
  isSound: true,
  records: generations.map(([generation, accessToken]) => ({ generation, accessToken })),
});

const goesOn: Aftermath = {
  attempts: ["rotated"],
  others: { 200: 10 },
  broken: [],
  kept: kept([1, "a1"]),
};
// One learns it from the server, and says so to the other.
const ends: Aftermath = {
  attempts: ["rotated", "reused"],
  others: { 401: 5, ERR_SIGNED_OUT: 5 },
  broken: ["reuse"],
  kept: kept(),
};
const goesOnInGrace: Aftermath = {
  attempts: ["rotated", "graced"],
  others: { 200: 10 },
  broken: [],
  kept: kept([1, "a2"]),
};

describe("a server that gives no grace", () => {
  test.each<[where: string, window: Window, aftermath: Aftermath]>([
    ["before it asks (W1): the next one refreshes", "locked", goesOn],
    ["after the server rotated (W2): the session ends", "rotated", ends],
    ["with the answer in hand (W2): the session ends", "answered", { ...ends, broken: ["reuse", "turns"] }],
    [
      "in the transaction that saves (W2): the session ends",
      "saving",
      { ...ends, broken: ["reuse", "turns"] },
    ],
    ["after it saved, before it lets go (W4): the others take that over", "saved", goesOn],
  ])("loses nothing but what the table says when a process is killed %s", async (_, window, aftermath) => {
    expect(await kill(newFile(), window)).toStrictEqual(aftermath);
  });
});

describe("a server that gives 10 s of grace", () => {
  test.each<[where: string, window: Window, aftermath: Aftermath]>([
    ["after the server rotated", "rotated", goesOnInGrace],
    ["with the answer in hand", "answered", { ...goesOnInGrace, broken: ["turns"] }],
    ["in the transaction that saves", "saving", { ...goesOnInGrace, broken: ["turns"] }],
    ["before it asks", "locked", goesOn],
    ["after it saved, before it lets go", "saved", goesOn],
  ])("signs nobody out when a process is killed %s", async (_, window, aftermath) => {
    expect(await kill(newFile(), window, grace)).toStrictEqual(aftermath);
  });
});

test.each<[where: string, point: "locked" | "answered" | "saving", others: Record<string, number>]>([
  ["before it asks", "locked", { ERR_REFRESH_FAILED: 10 }],
  ["with the answer in hand", "answered", { ERR_REFRESH_FAILED: 10 }],
  ["in the transaction that saves", "saving", { ERR_REFRESH_FAILED: 10 }],
])(
  "fails the others at their deadline, and signs nobody out, while a process is stopped %s",
  async (_, point, others) => {
    expect(await stop(newFile(), point)).toStrictEqual({ ...goesOn, others, after: { 200: 15 } });
  },
);

test("brings the others what a process has saved that is stopped before it lets go", async () => {
  expect(await stop(newFile(), "saved")).toStrictEqual({ ...goesOn, after: { 200: 15 } });
});

test("ends the session where a process is stopped for longer than its attempt may take, and there is no grace (W5)", async () => {
  const { attempts, others } = await oversleep(newFile());

  expect({ attempts, others }).toStrictEqual({ attempts: ["rotated", "reused"], others: { 401: 5 } });
});

test("goes on where a process is stopped for longer than its attempt may take, in the grace", async () => {
  const { attempts, others, broken } = await oversleep(newFile(), grace);

  expect({ attempts, others, broken }).toStrictEqual({
    attempts: ["rotated", "graced"],
    others: { 200: 5 },
    broken: [],
  });
});
