import type { Session } from "@freshtoken/core";
import { describe, expect, inject, test } from "vitest";
import { adapterContract, type ContractCase } from "../src/contract/index.ts";
import { type Adapter, type Parts, right, subjectOf } from "./contract-subject.ts";
import { type Defect, defects } from "./defects.ts";

const host = inject("host");
const cases = adapterContract(subjectOf(host, { adapter: right }));

const gone: Adapter = () => async () => new Response(null, { status: 410 });
const tooLate = new Error("too late");

describe("the contract of adapters, through one that does no more than it has to", () => {
  for (const { title, run } of cases) test(title, run);
});

test.each(defects)("catches an adapter that $name", async ({ titles, ...parts }: Defect) => {
  const messages = await Promise.all(titles.map((title) => messageOf(title, parts)));

  expect(messages).toStrictEqual(titles.map((title) => expect.stringContaining(`${title}: `)));
});

test("has seen each of its cases fail", () => {
  const seen = new Set(defects.flatMap(({ titles }) => titles));

  expect(cases.map(({ title }) => title).filter((title) => !seen.has(title))).toStrictEqual([]);
});

test("gives each case a title of its own", () => {
  const titles = cases.map(({ title }) => title);

  expect(new Set(titles).size).toBe(titles.length);
});

test("says which promise is not kept, what was found, and what was to be", async () => {
  const { run } = caseOf("hands a 404 back as it is", { adapter: gone });

  await expect(run()).rejects.toMatchObject({
    name: "AssertionError",
    message: "hands a 404 back as it is: expected 410 to equal 404",
    actual: 410,
    expected: 404,
    cause: { message: "expected 410 to equal 404" },
  });
});

test("says which promise is not kept where the client rejects, and keeps what it rejected with", async () => {
  const failure = new TypeError("no network");
  const { run } = caseOf("hands a 404 back as it is", { adapter: () => () => Promise.reject(failure) });

  const error = await run().catch((error) => error);

  expect([error.message, error.cause]).toStrictEqual(["hands a 404 back as it is: no network", failure]);
});

test("gives a case up when its signal aborts", async () => {
  const controller = new AbortController();
  const { run } = caseOf("hands a 404 back as it is", { adapter: () => () => endless(controller) });

  const error = await run({ signal: controller.signal }).catch((error) => error);

  expect([error.message, error.cause]).toStrictEqual(["hands a 404 back as it is: too late", tooLate]);
});

test.each<[string, Parts]>([
  ["is kept", { adapter: right }],
  ["is broken", { adapter: gone }],
])("closes the sessions and servers of a case whose promise %s", async (_, parts) => {
  const opened: [Session, string][] = [];
  const adapter: Adapter = (session, origin, bare) => {
    opened.push([session, origin]);
    return parts.adapter(session, origin, bare);
  };

  await caseOf("takes no token along on a redirect to another origin", { adapter })
    .run()
    .catch(() => {});

  expect(opened).toHaveLength(2);
  for (const [session, origin] of opened) {
    await expect(session.tokens()).rejects.toThrow("closed");
    await expect(fetch(origin)).rejects.toThrow("fetch failed");
  }
});

test("tells what a client lacks, with the reason, and expects all else of it", () => {
  const subject = { ...subjectOf(host, { adapter: right }), cannot: { streams: "none here" } };

  const lacking = adapterContract(subject).filter(({ lacks }) => lacks !== undefined);

  expect(lacking.map(({ title, lacks }) => [title, lacks])).toStrictEqual([
    ["sends a stream once: refused, it rejects, and the token is refreshed for the next call", "none here"],
    ["sends a stream after the refresh of an ageing token, and whole", "none here"],
  ]);
});

function endless(controller: AbortController): Promise<never> {
  controller.abort(tooLate);
  return new Promise(() => {});
}

function caseOf(title: string, parts: Partial<Parts>): ContractCase {
  const found = adapterContract(subjectOf(host, { adapter: right, ...parts })).find(
    (each) => each.title === title,
  );
  if (!found) throw new RangeError(`The contract has no case "${title}"`);
  return found;
}

/** What a case fails with. Some defects never come to an end. */
function messageOf(title: string, parts: Partial<Parts>): Promise<string> {
  return caseOf(title, parts)
    .run({ signal: AbortSignal.timeout(1_000) })
    .then(
      () => "no failure",
      (error) => error.message,
    );
}
