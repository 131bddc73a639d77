import type { Tab } from "./page.ts";

/** One page of a real browser. */
export interface Page {
  /** Asks the session of the page. */
  ask<K extends keyof Tab>(name: K, ...args: Parameters<Tab[K]>): Promise<Awaited<ReturnType<Tab[K]>>>;
  /** Runs an expression, waits for what it promises, and returns that. */
  evaluate<R = void>(expression: string): Promise<R>;
  /** Leads it elsewhere, and waits until it is there. */
  visit(url: string): Promise<void>;
  reload(): Promise<void>;
  close(): Promise<void>;
}

export interface Browser<P extends Page = Page> {
  open(url: string): Promise<P>;
  close(): Promise<void>;
}

/** The expression that asks a session, once its page has made one. */
export function asking(name: string, args: readonly unknown[]): string {
  return `(async () => {
    while (!globalThis.tab) await new Promise((resolve) => setTimeout(resolve, 5));
    return tab[${JSON.stringify(name)}](...${JSON.stringify(args)});
  })()`;
}
