// Serves stores to the process that started this one, or to the thread. See remote-stores.ts.
import { parentPort } from "node:worker_threads";
import type { SessionStore } from "@freshtoken/core";
import { followers } from "../src/data-file.ts";
import { sqliteStore } from "../src/index.ts";
import type { Call, Told } from "./remote-stores.ts";

const tell = (told: Told) => void (parentPort ? parentPort.postMessage(told) : process.send?.(told));
const stores = new Map<number, SessionStore>();
const undos = new Map<number, () => void>();
const sections = new Map<number, { abort(): void; leave(): void }>();

const commands: { readonly [K in Call["command"]]: (call: Extract<Call, { command: K }>) => unknown } = {
  open: ({ store, file }) => void stores.set(store, sqliteStore({ file })),
  load: ({ store }) => stores.get(store)?.load(),
  save: ({ store, args }) => stores.get(store)?.save(...args),
  enter: ({ store, id }) => enter(store, id),
  leave: ({ section }) => sections.get(section)?.leave(),
  abort: ({ section }) => sections.get(section)?.abort(),
  subscribe({ store, id }) {
    undos.set(id, stores.get(store)?.subscribe?.(() => tell({ hint: id })) ?? (() => {}));
  },
  undo({ subscription }) {
    undos.get(subscription)?.();
  },
  followers: ({ file }) => followers(file),
};

async function enter(store: number, id: number): Promise<void> {
  const controller = new AbortController();
  const left = new Promise<void>((leave) => {
    sections.set(id, { abort: () => controller.abort(), leave });
  });
  const task = () => {
    tell({ entered: id });
    return left;
  };
  await stores.get(store)?.exclusive?.(task, { signal: controller.signal });
}

async function obey(call: Call): Promise<void> {
  try {
    tell({ id: call.id, result: await commands[call.command](call as never) });
  } catch (error) {
    tell({ id: call.id, error: String(error) });
  }
}

if (parentPort) parentPort.on("message", obey);
else process.on("message", (call: Call) => void obey(call));
