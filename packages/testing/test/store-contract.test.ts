import type { SessionStore } from "@freshtoken/core";
import { describe, expect, test } from "vitest";
import {
  type ContractCase,
  type StoreAbility,
  type StoreSubject,
  storeContract,
} from "../src/contract/index.ts";
import { createPlace } from "../src/contract/store/place.ts";
import { createGate, settled } from "../src/index.ts";
import { aliasing, but, comparing, entering, parting, roomy } from "./store-defective.ts";
import { type StoreDefect, storeDefects } from "./store-defects.ts";
import { right, subjectOf, type View } from "./store-subject.ts";

const cases = storeContract(subjectOf(right));
const tooLate = new Error("too late");

describe("the contract of stores, through one that does no more than it has to", () => {
  for (const { title, run } of cases) test(title, run);
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
      storeContract(subject).map(async (each) => [each.title, each.lacks, await messageOf(each)] as const),
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

test("closes a place that comes when its case was given up", async () => {
  const gate = createGate();
  let closed = 0;
  const begin = async () => {
    await gate.pass();
    return { ...stageOf(right), close: () => void closed++ };
  };
  const late = caseOf("holds nothing at first, and loads that as null", { begin });

  const message = await messageOf(late, 20);
  const before = closed;
  gate.open();
  await settled();

  expect([message, before, closed]).toStrictEqual([
    "holds nothing at first, and loads that as null: too late",
    0,
    1,
  ]);
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
  const redeem = () =>
    place.server.fetch("/token", {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: "r0" }),
    });
  place.server.signIn();

  await redeem();
  await redeem();

  await expect(place.leave()).rejects.toMatchObject({
    actual: [
      "at 3: r0 is presented again, though its answer was read at 2",
      "at 4: r0 is reused: it was rotated away before",
    ],
  });
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
