import { storeContract } from "@freshtoken/testing/contract";
import { describe, test } from "vitest";
import { subjectOf } from "./store-subject.ts";

describe("the contract of stores, through browserStore in Chromium", () => {
  for (const { title, lacks, run } of storeContract(subjectOf("contract"))) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
