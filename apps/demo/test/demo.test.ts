import { expect, test } from "vitest";
import { demo, readTable, readTimeline, run } from "./demo-process.ts";

function preload(source: string): string {
  return `--import=data:text/javascript,${encodeURIComponent(source)}`;
}

// Request 98 is fetch's in both clients that use it, request 0 only in the wrapper written by hand.
const trouble = `
  const { fetch } = globalThis;
  const isNumber = (request, number) => request.url?.endsWith("request=0-" + number);
  globalThis.fetch = (request, init) => {
    if (isNumber(request, 98)) return Promise.reject(new Error("lost"));
    if (isNumber(request, 0)) void Promise.reject(new Error("unhandled"));
    return fetch(request, init);
  };`;

const signedOut =
  "\n  Freshtoken signed in through @freshtoken/oauth and out again; its tokens are revoked.\n";

// Both at once: they mostly wait.
const well = run(...demo, "--expiries", "1");
const troubled = run(preload(trouble), ...demo, "--expiries", "0");

test("ends well when every request was answered with one refresh an expiry, and no refresh token was seen twice", async () => {
  const { printed, ended } = well;

  expect(await ended).toStrictEqual([0, null]);
  expect(printed.err).toBe("");
  const table = readTable(printed.out);
  expect(Object.fromEntries(Object.entries(table).map(([row, [ours]]) => [row, ours]))).toStrictEqual({
    requests: "200",
    answered: "200",
    "through axios": "68 of 68",
    "through ky": "66 of 66",
    "through fetch": "66 of 66",
    "refusals on the wire": table.replays?.[0],
    "of a token that was replaced already": expect.stringMatching(/^\d+$/),
    replays: expect.stringMatching(/^\d+$/),
    refreshes: "1",
    "of a token not half through its life": "0",
    "refresh tokens seen twice": "0",
    "rejections left unhandled": "0",
    "slowest request": expect.stringMatching(/^\d\.\d\d s$/),
  });
  for (const [row, what] of [
    ["answered", "answered"],
    ["refusals on the wire", "refused"],
    ["refreshes", "refresh"],
    ["replays", "replayed"],
  ] as const) {
    expect(table[row], row).toStrictEqual(readTimeline(printed.out, what));
  }
  expect(printed.out).toContain(signedOut);
  expect(printed.out).not.toContain("\x1b");
  expect(Math.max(...printed.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
}, 40_000);

test("ends with 1 when a request was lost, and survives what a rival leaves unhandled", async () => {
  const { printed, ended } = troubled;

  expect(await ended).toStrictEqual([1, null]);
  expect(printed.err).toBe("");
  const { answered, "rejections left unhandled": unhandled } = readTable(printed.out);
  expect({ answered, unhandled }).toStrictEqual({
    answered: ["99", "99", "100", "100"],
    unhandled: ["0", "1", "0", "0"],
  });
  expect(printed.out).toContain(
    "  Freshtoken          Lost 1 of 100; 0 refreshes for 0 expiries; no refresh token seen twice.\n",
  );
  expect(printed.out).toContain(signedOut);
});
