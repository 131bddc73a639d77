import { AssertionError } from "chai";

/** One case of a contract, ready to run. */
export interface ContractCase {
  /** What it promises, in words. */
  readonly title: string;
  /** Why the subject cannot keep it: `run` is then expected to reject. Undefined: it must resolve. */
  readonly lacks: string | undefined;
  /**
   * Rejects where the promise is not kept, with an error that says the title, and carries `actual` and `expected`.
   *
   * What never ends is for the runner to notice: when `signal` aborts, the case is given up, and what it opened closes.
   * The contexts that Vitest and `node:test` call a test with have such a signal.
   */
  run(context?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

/** What a case rejects with: which promise is broken, and how that was seen. */
export function brokenPromise(title: string, error: unknown): Error {
  const compared = error instanceof AssertionError ? error : {};
  const message = error instanceof Error ? error.message : String(error);
  return new AssertionError(`${title}: ${message}`, { ...compared, cause: error });
}
