import { type AdapterSubject, adapterContract } from "@freshtoken/testing/contract";
import * as undici from "undici";
import { describe, inject, test } from "vitest";
import { subjectOf } from "./contract-subject.ts";

// As many connections as a browser makes.
const dispatcher = new undici.Agent({ connections: 6 });
const limited = (input: string, init: undici.RequestInit) => undici.fetch(input, { ...init, dispatcher });

describe.each<[string, typeof fetch, AdapterSubject["cannot"]]>([
  ["the global fetch", fetch, {}],
  ["undici's fetch", limited as unknown as typeof fetch, { forms: "undici knows its own FormData alone" }],
])("the contract of adapters, through %s", (_, bare, cannot) => {
  for (const { title, lacks, run } of adapterContract(subjectOf(inject("host"), bare, cannot))) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
