import { adapterContract } from "@freshtoken/testing/contract";
import { describe, inject, test } from "vitest";
import { ky1Subject } from "./contract-ky-1.ts";
import { subjectOf } from "./contract-subject.ts";
import { releases } from "./support.ts";

const host = inject("host");

describe.each([
  ...releases.map(({ name, ky }) => [name, subjectOf(host, ky)] as const),
  ["ky 1 over sessionFetch", ky1Subject(host)] as const,
])("the contract of adapters, through %s", (_, subject) => {
  for (const { title, lacks, run } of adapterContract(subject)) {
    if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
    else test(title, run);
  }
});
