import { expect, test } from "vitest";
import { layer } from "../../proof/microtasks/index.ts";

test("holds what it promises whoever comes in between, at every microtask", { timeout: 60_000 }, async () => {
  const { violations } = await layer.explore("test", () => {});

  expect(violations.join("\n\n")).toBe("");
});
