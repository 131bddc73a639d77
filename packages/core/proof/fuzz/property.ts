import { inspect } from "node:util";
import fc from "fast-check";
import { pollution, prototypes } from "./prototypes.ts";

/** Something that holds for everything that may come from outside. */
export interface Property {
  readonly name: string;
  /** Runs it on so many values. Returns the story of the least that breaks it; undefined: none does. */
  check(runs: number): Promise<string | undefined>;
}

const SEED = 20_261_120;

/** Makes a property of a predicate that throws where it does not hold. The values are plain, so that they print and shrink. */
export function propertyOf<T>(
  name: string,
  values: fc.Arbitrary<T>,
  holds: (value: T) => void | Promise<void>,
): Property {
  const before = prototypes();

  async function unpolluted(value: T): Promise<void> {
    await holds(value);
    const polluted = pollution(before);
    if (polluted.length > 0) throw new Error(`changed ${polluted.join(", ")}`);
  }

  return {
    name,
    async check(numRuns) {
      const unhandled: unknown[] = [];
      const note = (reason: unknown) => unhandled.push(reason);
      process.on("unhandledRejection", note);
      const seed = SEED;
      const found = await fc.check(fc.asyncProperty(values, unpolluted), { seed, numRuns });
      await new Promise((resolve) => setImmediate(resolve));
      process.off("unhandledRejection", note);
      if (found.failed) return storyOf(name, found);
      return unhandled.length > 0
        ? `${name}: left ${unhandled.length} rejections unhandled, first ${inspect(unhandled[0])}`
        : undefined;
    },
  };
}

function storyOf<T>(name: string, found: fc.RunDetails<[T]>): string {
  const [value] = found.counterexample ?? [];
  return [
    `${name}: does not hold`,
    `  1. it came in as ${shortened(fc.stringify(value))}`,
    `  2. ${shortened(inspect(found.errorInstance))}`,
    `  after ${found.numRuns} runs and ${found.numShrinks} steps of shrinking; replay: { seed: ${found.seed}, path: "${found.counterexamplePath}" }`,
  ].join("\n");
}

function shortened(text: string): string {
  return text.length > 4_000 ? `${text.slice(0, 4_000)}… (${text.length} characters)` : text;
}
