import type { StoreSubject } from "@freshtoken/testing/contract";
import { browserStore } from "../src/index.ts";

/** Stores of one origin under the contract; each case has a name of its own. */
export function subjectOf(prefix: string): StoreSubject {
  let cases = 0;
  return {
    begin() {
      const name = `${prefix} ${cases++}`;
      return { open: () => browserStore({ name }) };
    },
  };
}
