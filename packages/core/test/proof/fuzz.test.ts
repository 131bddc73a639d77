import { describe, expect, test, vi } from "vitest";
import { growths } from "../../proof/fuzz/growth.ts";
import { properties, RUNS } from "../../proof/fuzz/index.ts";

vi.setConfig({ testTimeout: 60_000 });

describe("holds for whatever comes from outside", () => {
  test.each(properties)("$name", async (property) => {
    expect(await property.check(RUNS.test)).toBeUndefined();
  });
});

test("does work that grows with the length of what comes from outside, and no faster", () => {
  expect(growths.flatMap((growth) => growth.measure().violation ?? [])).toStrictEqual([]);
});
