import { adapterContract } from "@freshtoken/testing/contract";
import { describe, inject, test } from "vitest";
import { subjectOf } from "./contract-subject.ts";

const host = inject("host");
const sendsOnce = "Chromium itself sends again where a connection breaks";
const viaXhr = { streams: "XMLHttpRequest sends no stream", sendsOnce };
const viaFetch = {
  streams: "Chromium streams uploads over HTTP/2 alone",
  finalUrl: "the fetch adapter of axios does not tell it",
  sendsOnce,
};

describe.each([
  ["xhr", subjectOf(host, "xhr", { cannot: viaXhr, streamsAnswers: false })],
  ["fetch", subjectOf(host, "fetch", { cannot: viaFetch })],
])("the contract of adapters, through the %s adapter of axios in Chromium", (_, subject) => {
  for (const { title, lacks, run } of adapterContract(subject)) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
