/** An order of things that once went wrong. */
export interface Pinned {
  readonly title: string;
  readonly seed: number;
  readonly path: string;
}

/** Where a seed and a path lead changes with the commands and their weights: each has a story of its own among the tests too. */
export const pinned: readonly Pinned[] = [
  {
    title: "an answer that comes late cannot be used, and has rotated the refresh token all the same",
    seed: 3,
    path: "3193",
  },
  {
    title: "a round begins while what a late answer brought is being stored",
    seed: 3,
    path: "1607",
  },
];
