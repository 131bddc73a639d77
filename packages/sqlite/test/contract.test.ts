import { type StoreStage, storeContract } from "@freshtoken/testing/contract";
import { afterAll, describe, test } from "vitest";
import { followers } from "../src/data-file.ts";
import { sqliteStore } from "../src/index.ts";
import { inProcess, inThread, startHost } from "./remote-stores.ts";
import { newFile } from "./support.ts";

/** Opens each store of a case somewhere else; the next case finds these places again. */
function elsewhere(start: typeof inProcess): () => StoreStage {
  const hosts: ReturnType<typeof startHost>[] = [];
  afterAll(() => Promise.all(hosts.map(({ end }) => end())));
  return () => {
    const file = newFile();
    let opened = 0;
    const next = () => {
      const host = hosts[opened] ?? startHost(start);
      hosts[opened++] = host;
      return host;
    };
    return {
      open: () => next().open(file),
      async listeners() {
        const left = await Promise.all(hosts.map((host) => host.followers(file)));
        return left.reduce((sum, count) => sum + count, 0);
      },
    };
  };
}

function together(): StoreStage {
  const file = newFile();
  return { open: () => sqliteStore({ file }), listeners: () => followers(file) };
}

describe.each<[where: string, begin: () => StoreStage]>([
  ["stores of one process", together],
  ["a process for each store", elsewhere(inProcess)],
  ["a thread for each store", elsewhere(inThread)],
])("the contract of stores: %s", (_, begin) => {
  for (const { title, run } of storeContract({ begin })) test(title, ({ signal }) => run({ signal }));
});
