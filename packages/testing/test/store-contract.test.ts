import type { SessionStore } from "@freshtoken/core";
import { describe, expect, test } from "vitest";
import {
  type ContractCase,
  type StoreAbility,
  type StoreSubject,
  storeContract,
} from "../src/contract/index.ts";
import { createPlace } from "../src/contract/store/place.ts";
import { createGate, entriesAt, settled } from "../src/index.ts";
import { refresh } from "./requests.ts";
import { aliasing, but, comparing, entering, parting, roomy } from "./store-defective.ts";
import { type StoreDefect, storeDefects } from "./store-defects.ts";
import { late, right, subjectOf, type View } from "./store-subject.ts";

const cases = storeContract(subjectOf(right));
const tooLate = new Error("too late");

describe("the contract of stores, through one that does no more than it has to", () => {
  for (const { title, run } of cases) test(title, run);
});

describe("the contract of stores, through one that takes its time, and says things twice", () => {
  for (const { title, run } of storeContract(subjectOf(late))) test(title, run);
});

test.each(storeDefects)("catches a store that $name", async ({ titles, view }: StoreDefect) => {
  const messages = await Promise.all(titles.map((title) => messageOf(caseOf(title, subjectOf(view)))));

  expect(messages).toStrictEqual(titles.map((title) => expect.stringContaining(`${title}: `)));
});

test("has seen each of its cases fail", () => {
  const seen = new Set(storeDefects.flatMap(({ titles }) => titles));

  expect(cases.map(({ title }) => title).filter((title) => !seen.has(title))).toStrictEqual([]);
});

test("gives each case a title of its own", () => {
  const titles = cases.map(({ title }) => title);

  expect(new Set(titles).size).toBe(titles.length);
});

const lacking: Readonly<Record<StoreAbility, View>> = {
  share: parting,
  copy: aliasing("neither"),
  large: roomy(4_096),
  compare: comparing(() => true),
  exclusive: but(() => ({ exclusive: undefined as never })),
  subscribe: but(() => ({ subscribe: undefined as never })),
};

test.each(Object.entries(lacking))(
  "knows what needs %s, and fails that without waiting",
  async (ability, view) => {
    const subject = { ...subjectOf(view), cannot: { [ability]: "not here" } };

    const outcomes = await Promise.all(
      storeContract(subject).map(
        async (each) => [each.title, each.lacks, await messageOf(each, 10_000)] as const,
      ),
    );

    const wrong = outcomes.filter(([, lacks, message]) => (lacks === undefined) !== (message === "kept"));
    expect(wrong).toStrictEqual([]);
    expect(outcomes.filter(([, , message]) => message.endsWith("too late"))).toStrictEqual([]);
  },
);

test("says which promise is not kept, what was found, and what was to be", async () => {
  const view = but(() => ({ load: async () => "something" as never }));
  const { run } = caseOf("holds nothing at first, and loads that as null", subjectOf(view));

  await expect(run()).rejects.toMatchObject({
    name: "AssertionError",
    message: "holds nothing at first, and loads that as null: expected 'something' to equal null",
    actual: "something",
    expected: null,
  });
});

test.each<[string, StoreSubject["begin"]]>([
  ["no place can be made", () => Promise.reject(tooLate)],
  ["the store cannot be opened", () => ({ open: () => Promise.reject(tooLate) })],
  ["the store cannot be closed", () => ({ ...stageOf(right), close: () => Promise.reject(tooLate) })],
  ["the store cannot be read", () => stageOf(but(() => ({ load: () => Promise.reject(tooLate) })))],
])("says which promise is not kept where %s", async (_, begin) => {
  const { run } = caseOf("holds nothing at first, and loads that as null", { begin });

  const error = await run().catch((error) => error);

  expect([error.message, error.cause]).toStrictEqual([
    "holds nothing at first, and loads that as null: too late",
    tooLate,
  ]);
});

test("closes the place of a case, whether its promise is kept, broken or given up", async () => {
  const ended: string[] = [];
  const views: Record<string, View> = {
    kept: right,
    broken: but(() => ({ load: async () => undefined as never })),
    "given up": but(() => ({ load: () => new Promise<never>(() => {}) })),
  };

  for (const [name, view] of Object.entries(views)) {
    const begin = () => ({ ...stageOf(view), close: () => void ended.push(name) });
    await messageOf(caseOf("holds nothing at first, and loads that as null", { begin }), 20);
  }

  expect(ended).toStrictEqual(["kept", "broken", "given up"]);
});

test("closes a place that comes when its case was given up, and opens nothing there", async () => {
  const gate = createGate();
  const calls: string[] = [];
  const begin = async () => {
    await gate.pass();
    return {
      open: () => {
        calls.push("open");
        return right({ text: "null", turn: Promise.resolve(), listeners: new Map() });
      },
      close: () => void calls.push("close"),
    };
  };

  const message = await messageOf(caseOf("holds nothing at first, and loads that as null", { begin }), 20);
  const before = [...calls];
  gate.open();
  await settled();

  expect([message, before, calls]).toStrictEqual([
    "holds nothing at first, and loads that as null: too late",
    [],
    ["close"],
  ]);
});

test("closes a place when the sessions in it have ended", async () => {
  const stage = stageOf(right);
  const left: unknown[] = [];
  const begin = () => ({ ...stage, close: () => void left.push(stage.listeners?.()) });

  await caseOf("holds nothing of a session that has signed out", { begin }).run();

  expect(left).toStrictEqual([0]);
});

test("closes the sessions of a case that fails", async () => {
  const stage = stageOf(entering((task) => task()));
  const { run } = caseOf(
    "signs all sessions in where one does, and refreshes once for all, eight sign-ins in a row",
    { begin: () => stage },
  );

  await expect(run()).rejects.toThrow("attempts");
  await settled();

  expect(await stage.listeners?.()).toBe(0);
});

test("finds what a server has seen that must never happen, whatever else a case demands", async () => {
  const place = createPlace(stageOf(right), []);
  const { fetch, signIn } = place.server;
  const send = (token: string, by: string, request: string) =>
    fetch("/me", { headers: { authorization: `Bearer ${token}`, "x-by": by, "x-request": request } });
  signIn();

  await refresh(place.server, "r0");
  await send("a1", "1", "1.1");
  await send("a0", "2", "2.1"); // another context may not know yet
  await send("a1", "1", "1.1");
  await send("a0", "1", "1.2");

  await expect(place.leave()).rejects.toMatchObject({
    actual: ["at 7: 1.1 is sent again with a1, after a1", "at 9: a0 is used, after generation 1"],
  });
});

test("says with each request which session made it, and which of its requests it is", async () => {
  const { server, peers } = createPlace(stageOf(right), []);
  const [one, two] = await peers(2);
  server.expire();

  await Promise.all([one.burst(1), two.burst(2)]);

  const requests = entriesAt(server.log, "resource").map(({ headers }) => headers["x-request"]);
  expect(requests.sort()).toStrictEqual(["1.1", "1.1", "2.1", "2.1", "2.2", "2.2"]);
  expect(entriesAt(server.log, "token").map(({ headers }) => headers["x-by"])).toStrictEqual(["1"]);
});

function stageOf(view: View): { open(): SessionStore; listeners?(): number | Promise<number> } {
  return subjectOf(view).begin() as ReturnType<typeof stageOf>;
}

function caseOf(title: string, subject: StoreSubject): ContractCase {
  const found = storeContract(subject).find((each) => each.title === title);
  if (!found) throw new RangeError(`The contract has no case "${title}"`);
  return found;
}

/** What a case fails with. Some defects never come to an end. */
function messageOf({ run }: ContractCase, patience = 500): Promise<string> {
  const controller = new AbortController();
  setTimeout(() => controller.abort(tooLate), patience).unref();
  return run({ signal: controller.signal }).then(
    () => "kept",
    (error) => error.message,
  );
}
