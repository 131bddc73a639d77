import { AsyncLocalStorage } from "node:async_hooks";
import type { Journal } from "./journal.ts";

/** Notes a rejection that nobody handles with the client whose code it was, where it would end the process. */
export interface Rejections {
  /** Runs what a client does. */
  of<R>(journal: Journal, run: () => R): R;
  end(): void;
}

export function watchRejections(): Rejections {
  const journals = new AsyncLocalStorage<Journal>();
  const note = (reason: unknown) => {
    const journal = journals.getStore();
    if (!journal) throw reason;
    journal.note("unhandled");
  };
  process.on("unhandledRejection", note);
  return {
    of: (journal, run) => journals.run(journal, run),
    end: () => void process.off("unhandledRejection", note),
  };
}
