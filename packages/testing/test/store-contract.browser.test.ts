import { describe, test } from "vitest";
import { storeContract } from "../src/contract/index.ts";
import { right, subjectOf } from "./store-subject.ts";

describe("the contract of stores, in a page", () => {
  for (const { title, run } of storeContract(subjectOf(right))) test(title, run);
});
