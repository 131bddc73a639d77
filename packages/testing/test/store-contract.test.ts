import { describe, expect, test } from "vitest";
import { storeContract } from "../src/contract/index.ts";
import { right, subjectOf } from "./store-subject.ts";

const cases = storeContract(subjectOf(right));

describe("the contract of stores, through one that does no more than it has to", () => {
  for (const { title, run } of cases) test(title, run);
});
