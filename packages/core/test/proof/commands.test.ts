import { expect, test } from "vitest";
import { layer } from "../../proof/commands/index.ts";

test("holds what it promises in a thousand random orders", { timeout: 60_000 }, async () => {
  const { violations } = await layer.explore("test", () => {});

  expect(violations.join("\n\n")).toBe("");
});
