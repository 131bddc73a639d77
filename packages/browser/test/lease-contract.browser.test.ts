import { storeContract } from "@freshtoken/testing/contract";
import { beforeAll, describe, test } from "vitest";
import { subjectOf } from "./store-subject.ts";

// As on an origin that is not secure.
beforeAll(() => {
  Object.defineProperty(navigator, "locks", { configurable: true, value: undefined });
});

describe("the contract of stores, through browserStore without Web Locks", () => {
  for (const { title, lacks, run } of storeContract(subjectOf("lease contract"))) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
