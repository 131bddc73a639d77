import { assert } from "chai";
import { violationsIn } from "../history.ts";
import { until } from "../wait.ts";
import { abort } from "./abort.ts";
import { bodies } from "./bodies.ts";
import type { Case } from "./case.ts";
import { brokenPromise, type ContractCase } from "./contract-case.ts";
import { ending } from "./ending.ts";
import { expiry } from "./expiry.ts";
import { hooks } from "./hooks.ts";
import { origins } from "./origins.ts";
import { scheme } from "./scheme.ts";
import { openStage, type Stage, type StageOptions } from "./stage.ts";
import type { AdapterSubject } from "./subject.ts";

const cases: readonly Case[] = [...expiry, ...ending, ...abort, ...bodies, ...origins, ...scheme, ...hooks];

/**
 * Lists what every adapter promises, as cases that know no test runner and no module of Node. Each runs on servers of its
 * own that a host opens: over real connections, and from a page as well.
 *
 * @example
 * ```ts
 * for (const { title, lacks, run } of adapterContract(subject)) {
 *   if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
 *   else test(title, run);
 * }
 * ```
 */
export function adapterContract(subject: AdapterSubject): readonly ContractCase[] {
  return cases.map((each) => ({
    title: each.title,
    lacks: each.needs && subject.cannot?.[each.needs],
    run: ({ signal } = {}) => runCase(each, subject, signal),
  }));
}

async function runCase(
  { title, run, except = [] }: Case,
  subject: AdapterSubject,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stages: Stage[] = [];
  async function open(options?: StageOptions): Promise<Stage> {
    const stage = await openStage(subject, options);
    stages.push(stage);
    return stage;
  }
  try {
    await (signal ? until(run(open, subject), signal) : run(open, subject));
    for (const { server } of stages) {
      // Connections overtake one another: what arrives later may have been sent before.
      const found = violationsIn(await server.log(), { except: ["older", ...except] });
      assert.deepEqual(
        found.map(({ what }) => what),
        [],
      );
    }
  } catch (error) {
    throw brokenPromise(title, error);
  } finally {
    // Not waited for: in a case that failed, a refresh may never end.
    for (const { session } of stages) void session.close();
    await Promise.all(stages.map(({ server }) => server.close()));
  }
}
