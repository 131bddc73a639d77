import { setTimeout as pause } from "node:timers/promises";
import { asking, type Page } from "./browser.ts";

/** Sends one command of W3C WebDriver. Rejects with what the driver says. */
export type Call = <R>(method: string, path: string, body?: unknown) => Promise<R>;

export function callerOf(address: string): Call {
  return async (method, path, body) => {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(address + path, { method, ...sent });
    const { value } = (await answer.json()) as { value: { error?: string; message?: string } };
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value as never;
  };
}

/** Opens the pages of one WebDriver session, which obeys one command at a time and knows one present window. */
export async function openerOf(call: Call): Promise<(url: string) => Promise<Page>> {
  // A window that stays: the session needs one to open others from.
  const home = await call<string>("GET", "/window");
  let last: Promise<unknown> = Promise.resolve();
  let expressions = 0;

  function inWindow<R>(handle: string, act: () => Promise<R>): Promise<R> {
    const turn = last.then(async () => {
      await call("POST", "/window", { handle });
      return act();
    });
    last = turn.catch(() => {});
    return turn;
  }

  // Begun and asked for again and again: a command that waits would keep the other pages waiting.
  async function evaluate<R>(handle: string, expression: string): Promise<R> {
    const key = `"answer ${expressions++}"`;
    const begin = `window[${key}] = null; (async () => ${expression})().then(
      (value) => { window[${key}] = { value }; },
      (error) => { window[${key}] = { error: String(error) }; },
    );`;
    await inWindow(handle, () => call("POST", "/execute/sync", { script: begin, args: [] }));
    for (;;) {
      const script = `return window[${key}];`;
      const ended = await inWindow(handle, () =>
        call<{ value?: R; error?: string } | null>("POST", "/execute/sync", { script, args: [] }),
      );
      if (ended?.error) throw new Error(ended.error);
      if (ended) return ended.value as R;
      await pause(20);
    }
  }

  return async (url) => {
    const { handle } = await inWindow(home, () =>
      call<{ handle: string }>("POST", "/window/new", { type: "window" }),
    );
    const visit = (address: string) => inWindow(handle, () => call<void>("POST", "/url", { url: address }));
    await visit(url);
    return {
      ask: (name, ...args) => evaluate(handle, asking(name, args)),
      evaluate: (expression) => evaluate(handle, expression),
      visit,
      reload: () => inWindow(handle, () => call<void>("POST", "/refresh", {})),
      close: () => inWindow(handle, () => call<void>("DELETE", "/window")),
    };
  };
}
