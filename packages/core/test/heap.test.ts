import { createSession } from "@freshtoken/core";
import { expect, test } from "vitest";
import { settled } from "./support.ts";

async function heapAfter(work: () => Promise<unknown>): Promise<number> {
  await work();
  await settled();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

test("keeps nothing of a refresh: its heap is the same after 20,000 more", async () => {
  const session = createSession({ refresh: async () => ({ access_token: "a1", refresh_token: "r1" }) });
  await session.signIn({ access_token: "a0", refresh_token: "r0" });
  const refresh = async (times: number) => {
    for (let i = 0; i < times; i++) await session.refresh();
  };

  const before = await heapAfter(() => refresh(5_000));
  const after = await heapAfter(() => refresh(20_000));

  // What grew with each, at a few dozen bytes, would be a megabyte.
  expect(after - before).toBeLessThan(500_000);
});
