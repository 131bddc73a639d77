import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { SessionStore } from "@freshtoken/core";

type Saving = Parameters<SessionStore["save"]>;

/** What a host is told to do. */
export type Call = { readonly id: number } & (
  | { readonly command: "open"; readonly store: number; readonly file: string }
  | { readonly command: "load" | "enter" | "subscribe"; readonly store: number }
  | { readonly command: "save"; readonly store: number; readonly args: Saving }
  | { readonly command: "leave" | "abort"; readonly section: number }
  | { readonly command: "undo"; readonly subscription: number }
  | { readonly command: "followers"; readonly file: string }
);

/** What a host tells: how a call ended, that a task has its turn, that a listener is called. */
export type Told =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly entered: number }
  | { readonly hint: number };

/** The way to a host. */
interface Wire {
  post(call: Call): void;
  /** Resolves when nothing of it is left. */
  end(): Promise<unknown>;
}

const program = new URL("./store-host.ts", import.meta.url);
const execArgv = ["--conditions=@freshtoken/source", "--disable-warning=ExperimentalWarning"];

export function inProcess(heard: (told: Told) => void): Wire {
  const child = fork(fileURLToPath(program), { execArgv, serialization: "advanced" });
  child.on("message", (told) => heard(told as Told));
  const ended = once(child, "exit");
  return {
    post: (call) => child.send(call),
    end() {
      child.kill("SIGKILL");
      return ended;
    },
  };
}

export function inThread(heard: (told: Told) => void): Wire {
  const worker = new Worker(program, { execArgv });
  worker.on("message", heard);
  return { post: (call) => worker.postMessage(call), end: () => worker.terminate() };
}

/** Stores in a process, or a thread, of their own. */
export interface StoreHost {
  open(file: string): Promise<SessionStore>;
  followers(file: string): Promise<number>;
  end(): Promise<unknown>;
}

type Unnumbered<C = Call> = C extends Call ? Omit<C, "id"> : never;

export function startHost(start: typeof inProcess): StoreHost {
  const calls = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  const entering = new Map<number, () => void>();
  const listeners = new Map<number, () => void>();
  let numbered = 0;
  const wire = start((told) => {
    if ("hint" in told) listeners.get(told.hint)?.();
    else if ("entered" in told) entering.get(told.entered)?.();
    else if ("error" in told) calls.get(told.id)?.reject(new Error(told.error));
    else calls.get(told.id)?.resolve(told.result);
  });

  function call<R>(unnumbered: Unnumbered, id = ++numbered): Promise<R> {
    const ended = new Promise((resolve, reject) => calls.set(id, { resolve, reject }));
    wire.post({ id, ...unnumbered } as Call);
    return ended.finally(() => calls.delete(id)) as Promise<R>;
  }

  async function exclusive<R>(store: number, task: () => Promise<R>, signal: AbortSignal): Promise<R> {
    signal.throwIfAborted();
    const section = ++numbered;
    const entered = new Promise<void>((resolve) => entering.set(section, resolve));
    const left = call({ command: "enter", store }, section);
    left.catch(() => {});
    let giveUp = () => {};
    const aborted = new Promise<void>((resolve) => {
      giveUp = resolve;
    });
    const abort = () => {
      void call({ command: "abort", section });
      giveUp();
    };
    signal.addEventListener("abort", abort);
    try {
      await Promise.race([entered, aborted, left]);
      signal.throwIfAborted();
      return await task();
    } finally {
      signal.removeEventListener("abort", abort);
      entering.delete(section);
      await call({ command: "leave", section });
      if (!signal.aborted) await left;
    }
  }

  async function open(file: string): Promise<SessionStore> {
    const store = ++numbered;
    await call({ command: "open", store, file });
    return {
      load: () => call({ command: "load", store }),
      save: (...args) => call({ command: "save", store, args }),
      exclusive: (task, { signal }) => exclusive(store, task, signal),
      subscribe(changed) {
        const subscription = ++numbered;
        listeners.set(subscription, () => {
          try {
            changed();
          } catch {}
        });
        void call({ command: "subscribe", store }, subscription);
        return () => {
          listeners.delete(subscription);
          void call({ command: "undo", subscription });
        };
      },
    };
  }

  return { open, followers: (file) => call({ command: "followers", file }), end: wire.end };
}
