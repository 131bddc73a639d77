import { expect, test } from "vitest";
import { layer } from "../../proof/orders/index.ts";

test("keeps its invariants in every order of events", { timeout: 120_000 }, async () => {
  const { violations } = await layer.explore("test", () => {});

  expect(violations.join("\n\n")).toBe("");
});
