import { Agent } from "node:http";
import { Readable } from "node:stream";
import { adapterContract } from "@freshtoken/testing/contract";
import { describe, inject, test } from "vitest";
import { subjectOf } from "./contract-subject.ts";

// As many connections as a browser makes.
const httpAgent = new Agent({ keepAlive: true, maxSockets: 6 });
const viaFetch = {
  finalUrl: "the fetch adapter of axios does not tell it",
  forms: "the fetch adapter of axios calls a form by another name in Node",
};

/** Holds both adapters that run in Node to the contract. */
export function describeContract(version: string): void {
  const host = inject("host");
  describe.each([
    ["http", subjectOf(host, "http", { defaults: { httpAgent }, stream: (stream) => Readable.from(stream) })],
    ["fetch", subjectOf(host, "fetch", { cannot: viaFetch })],
  ])(`the contract of adapters, through the %s adapter of axios ${version}`, (_, subject) => {
    for (const { title, lacks, run } of adapterContract(subject)) {
      if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
      else test(title, run);
    }
  });
}
