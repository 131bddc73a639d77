import type { TestProject } from "vitest/node";
import { host } from "../src/node.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where contracts find the servers that they run on. */
    readonly host: string;
  }
}

/** Starts the host of all contracts, in Node and in pages. */
export default async function startHost({ provide }: TestProject): Promise<() => Promise<void>> {
  const { url, close } = await host();
  provide("host", url);
  return close;
}
