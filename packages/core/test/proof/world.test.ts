import { expect, test } from "vitest";
import { world } from "../../proof/world/index.ts";
import { runWorld } from "../../proof/world/world.ts";

test("holds what it promises in two thousand simulated worlds", { timeout: 120_000 }, async () => {
  const { violations } = await world.explore("test", () => {});

  expect(violations.join("\n")).toBe("");
});

test("replays a world from its seed", async () => {
  const [one, other] = [await runWorld(17), await runWorld(17)];

  expect(one.story()).toBe(other.story());
  expect(one.story().split("\n").length).toBeGreaterThan(20);
});
