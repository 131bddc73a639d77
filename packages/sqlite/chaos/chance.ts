/** Chance that a seed repeats. */
export interface Chance {
  /** A whole number from `least` up to `most`. */
  between(least: number, most: number): number;
  one<T>(of: readonly T[]): T;
}

/** Makes chance from a seed (mulberry32). */
export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return { between, one: (of) => of[between(0, of.length - 1)] as (typeof of)[number] };
}
