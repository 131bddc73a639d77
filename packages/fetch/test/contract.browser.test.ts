import { adapterContract } from "@freshtoken/testing/contract";
import { describe, inject, test } from "vitest";
import { subjectOf } from "./contract-subject.ts";

const cannot = {
  streams: "Chromium streams uploads over HTTP/2 alone",
  sendsOnce: "Chromium itself sends again where a connection breaks",
};

describe("the contract of adapters, through the fetch of Chromium", () => {
  for (const { title, lacks, run } of adapterContract(
    subjectOf(inject("host"), fetch.bind(globalThis), cannot),
  )) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
