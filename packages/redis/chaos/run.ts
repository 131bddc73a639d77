/** What came of one kind of chaos. */
export interface Run {
  readonly run: string;
  readonly did: string;
  readonly violations: readonly string[];
}

export interface Chaos {
  /** A number from 0 up to 1. */
  random(): number;
  say(line: string): void;
  /** False once its time is up; what has begun then is brought to an end. */
  goesOn(): boolean;
}

/** One kind of chaos. Its name is the run's. */
export type Work = (chaos: Chaos) => Promise<Omit<Run, "run">>;

export function oneOf<T>(of: readonly T[], random: () => number): T {
  return of[Math.floor(random() * of.length)] as T;
}
