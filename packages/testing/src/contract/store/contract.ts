import { until } from "../../wait.ts";
import { brokenPromise, type ContractCase } from "../contract-case.ts";
import { alone } from "./alone.ts";
import type { StoreCase } from "./case.ts";
import { comparing } from "./comparing.ts";
import { hints } from "./hints.ts";
import { keeping } from "./keeping.ts";
import { createPlace, type Place } from "./place.ts";
import type { StoreSubject } from "./subject.ts";
import { together } from "./together.ts";
import { turns } from "./turns.ts";

const cases: readonly StoreCase[] = [...keeping, ...comparing, ...turns, ...hints, ...alone, ...together];

/**
 * Lists what every store promises, as cases that know no test runner and no module of Node: they run in a page and in a
 * worker as well. Each has a fresh place to itself, and sessions of its own where it needs them. No case looks at the
 * time: a store may be as slow as it likes.
 *
 * @example
 * ```ts
 * for (const { title, lacks, run } of storeContract(subject)) {
 *   if (lacks) test.fails(`${title}: not here, since ${lacks}`, run);
 *   else test(title, run);
 * }
 * ```
 */
export function storeContract(subject: StoreSubject): readonly ContractCase[] {
  return cases.map((each) => ({
    title: each.title,
    lacks: each.needs?.map((ability) => subject.cannot?.[ability]).find((reason) => reason !== undefined),
    run: ({ signal = new AbortController().signal } = {}) => runCase(each, subject, signal),
  }));
}

async function runCase(
  { title, needs = [], run }: StoreCase,
  subject: StoreSubject,
  signal: AbortSignal,
): Promise<void> {
  const beginning = (async () => subject.begin())();
  let place: Place | undefined;

  async function running(): Promise<void> {
    const stage = await beginning;
    signal.throwIfAborted();
    place = createPlace(stage, needs);
    await run(place);
    await place.leave();
  }

  async function close(): Promise<void> {
    place?.abandon();
    const stage = await beginning;
    await stage.close?.();
  }

  try {
    // A place that is late is closed when it comes, and not waited for.
    await until(running(), signal).finally(() => (place ? close() : void close().catch(() => {})));
  } catch (error) {
    throw brokenPromise(title, error);
  }
}
