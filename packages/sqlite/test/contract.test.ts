import { storeContract } from "@freshtoken/testing/contract";
import { describe, test } from "vitest";
import { followers } from "../src/data-file.ts";
import { sqliteStore } from "../src/index.ts";
import { newFile } from "./support.ts";

const cases = storeContract({
  begin() {
    const file = newFile();
    return { open: () => sqliteStore({ file }), listeners: () => followers(file) };
  },
});

describe("the contract of stores, in one process", () => {
  for (const { title, run } of cases) test(title, run);
});
