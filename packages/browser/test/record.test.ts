import { expect, test } from "vitest";
import type { Database } from "../src/database.ts";
import { createRecord } from "../src/record.ts";

const record = { family: "f", generation: 0, tokens: { accessToken: "a0" } };

test.each<[string, unknown]>([
  ["of an older form", { v: 0, access_token: "a0" }],
  ["without tokens", { family: "f", generation: 0 }],
  ["that is none", "a0"],
])("takes a record %s for nothing, where a save must find nothing, too", async (_, found) => {
  const put: unknown[] = [];
  const database: Database = {
    isThere: () => true,
    async transact(_key, _mode, work) {
      return work(found, { put: (value: unknown) => put.push(value) } as unknown as IDBObjectStore);
    },
  };

  expect(await createRecord("main", database, () => {}).save(record, null)).toBe(true);
  expect(put).toStrictEqual([record]);
});
