import { memoryStore } from "@freshtoken/core";
import { type StoreSubject, storeContract } from "@freshtoken/testing/contract";
import { describe, test } from "vitest";

const subject: StoreSubject = {
  cannot: {
    share: "each store in memory is one by itself",
    copy: "the session freezes what it saves, so the very object can be kept",
    exclusive: "nobody else is there to take turns with",
    subscribe: "nobody else is there to tell of",
  },
  begin: () => ({ open: memoryStore }),
};

describe("the contract of stores, through memoryStore", () => {
  for (const { title, lacks, run } of storeContract(subject)) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
