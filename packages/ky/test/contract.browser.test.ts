import { adapterContract } from "@freshtoken/testing/contract";
import ky from "ky";
import { describe, inject, test } from "vitest";
import { subjectOf } from "./contract-subject.ts";

const sendsOnce = "Chromium itself sends again where a connection breaks";

describe("the contract of adapters, through ky in Chromium", () => {
  for (const { title, lacks, run } of adapterContract(subjectOf(inject("host"), ky, { sendsOnce }))) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
