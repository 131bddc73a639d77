import { expect, test } from "vitest";
import { demo, readTable, readTimeline, run } from "./demo-process.ts";

function preload(source: string): string {
  return `--import=data:text/javascript,${encodeURIComponent(source)}`;
}

test("ends well when every request was answered and the server saw no refresh token twice", async () => {
  const { printed, ended } = run(...demo, "--expiries", "1");

  expect(await ended).toStrictEqual([0, null]);
  expect(printed.err).toBe("");
  const table = readTable(printed.out);
  expect(
    Object.fromEntries(Object.entries(table).map(([row, [freshtoken]]) => [row, freshtoken])),
  ).toStrictEqual({
    requests: "200",
    answered: "200",
    "refusals on the wire": table.replays?.[0],
    "of a token that was replaced already": expect.stringMatching(/^\d+$/),
    replays: expect.stringMatching(/^\d+$/),
    refreshes: "1",
    "of a token not half through its life": "0",
    "refresh tokens seen twice": "0",
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
  expect(printed.out).not.toContain("\x1b");
  expect(Math.max(...printed.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
}, 40_000);

test("ends with 1 when a request was lost", async () => {
  const loses = `
    const { fetch } = globalThis;
    globalThis.fetch = (url, init) => String(url).includes("request=0-99") ? Promise.reject(new Error()) : fetch(url, init);`;

  const { printed, ended } = run(preload(loses), ...demo, "--expiries", "0");

  expect(await ended).toStrictEqual([1, null]);
  expect(printed.out).toContain("Freshtoken  Lost 1 of 100 requests; the server saw no refresh token twice.");
});
