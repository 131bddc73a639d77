import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { createConnection, type Gate } from "../src/exchange.ts";
import { type SessionOptions, settingsOf } from "../src/options.ts";

const record = (generation: number) => ({
  family: "f",
  generation,
  tokens: { accessToken: `a${generation}` },
});

// One request through a gate that is open unless told otherwise, answered with these statuses: what came of it, and
// the ledger of all that happened.
async function exchange(statuses: number[], way: Partial<Gate> = {}, options: Partial<SessionOptions> = {}) {
  const ledger: string[] = [];
  const does = (line: string) => void ledger.push(line);
  const gate: Gate = {
    settings: settingsOf({ refresh: async () => null, ...options }),
    owns: () => false,
    family: () => "f",
    served: () => record(0),
    hold: () => undefined,
    refused: () => false,
    newer: async () => does("newer"),
    replayed: () => does("replayed"),
    underWay() {},
    ...way,
  };
  const outcome = await createConnection(gate, () => true).send<number>({
    url: "https://api.test/me",
    method: "GET",
    replayable: true,
    async send(fields) {
      does(`send ${JSON.stringify(fields)}`);
      if (statuses.length === 0) throw new Error("sent too often");
      return statuses.shift() as number;
    },
    answer: (status) => ({ status, field: () => null, response: status }),
    release(status) {
      does(`release ${status}`);
      return status;
    },
  });
  return { outcome, ledger };
}

const sendsOf = (ledger: string[]) => ledger.filter((line) => line.startsWith("send"));
const sent = (generation: number) => `send {"authorization":"Bearer a${generation}"}`;

/** A gate behind which every wait for something newer brings the next generation. */
function renewing(way: Partial<Gate> = {}): Partial<Gate> {
  let generation = 0;
  return {
    served: () => record(generation),
    refused: () => true,
    newer: async () => void generation++,
    ...way,
  };
}

test("sends three times at most, however often the scheme asks for more", async () => {
  const scheme = { ...settingsOf({ refresh: async () => null }).scheme, answered: () => "replay" as const };

  const { outcome, ledger } = await exchange([401, 402, 403, 404], {}, { scheme });

  expect(outcome).toBe(403);
  expect(ledger).toStrictEqual([
    sent(0),
    "release 401",
    "replayed",
    sent(0),
    "release 402",
    "replayed",
    sent(0),
  ]);
});

test("waits for one round at most, though there would be another", async () => {
  const { outcome, ledger } = await exchange([401, 401, 200], renewing());

  expect(outcome).toBe(401);
  expect(ledger).toStrictEqual([sent(0), "release 401", "replayed", sent(1)]);
});

test("goes with what there is once it has waited for a round, and is not held again", async () => {
  const held: boolean[] = [];
  const hold: Gate["hold"] = (_, patience) => {
    held.push(patience.held);
    return undefined;
  };

  const { outcome } = await exchange([401, 200], renewing({ hold }));

  expect([outcome, held]).toStrictEqual([200, [true]]);
});

test("is held as often as it takes while it was never sent", async () => {
  const held: boolean[] = [];
  const hold: Gate["hold"] = (_, patience) =>
    held.push(patience.held) > 3 ? undefined : Promise.resolve("f");

  const { ledger } = await exchange([200], { hold });

  expect([held, ledger]).toStrictEqual([[true, true, true, true], [sent(0)]]);
});

test("waits with its replay for the one round it may wait for, and for no other", async () => {
  const held: boolean[] = [];
  let generation = 0;
  const way: Partial<Gate> = {
    served: () => record(generation),
    refused: () => true,
    hold(_, patience) {
      held.push(patience.held);
      return patience.held ? undefined : Promise.resolve("f");
    },
  };
  const isRefusal = ({ status }: { status: number }) => {
    generation = 1;
    return status === 401;
  };

  const { outcome, ledger } = await exchange([401, 401, 200], way, { isRefusal });

  expect([outcome, held]).toStrictEqual([401, [true, false]]);
  expect(ledger).toStrictEqual([sent(0), "release 401", "replayed", sent(1)]);
});

test.each<[string, unknown, number]>([
  ["nothing", undefined, 1],
  ["null", null, 1],
  ["false", false, 1],
  ["true", true, 2],
  ["a promise of nothing", Promise.resolve(), 1],
  ["a promise of true", Promise.resolve(true), 2],
  ["a promise of false, of another realm", runInNewContext("Promise.resolve(false)"), 1],
])("takes for a refusal what isRefusal says is one: %s", async (_, said, sends) => {
  const isRefusal = (() => said) as () => boolean;

  const { ledger } = await exchange([200, 200], renewing(), { isRefusal });

  expect(sendsOf(ledger)).toHaveLength(sends);
});

test.each<[string, unknown, object]>([
  ["an object", { "x-csrf": "1" }, { "x-csrf": "1" }],
  ["a promise", Promise.resolve({ "x-csrf": "1" }), { "x-csrf": "1" }],
  ["a promise of another realm", runInNewContext('Promise.resolve({ "x-csrf": "1" })'), { "x-csrf": "1" }],
  ["nothing", undefined, {}],
  ["a promise of nothing", Promise.resolve(), {}],
])("sends the fields that the scheme returns: %s", async (_, said, fields) => {
  const scheme = { sendsToken: true, fields: () => said as Record<string, string> };

  const { outcome, ledger } = await exchange([200], {}, { scheme });

  expect([outcome, ledger]).toStrictEqual([200, [`send ${JSON.stringify(fields)}`]]);
});
