// A worker of any kind: it has a session of its own, and answers what a page asks of it.
import "./page.ts";
import type { Tab } from "./page.ts";

type Call = { readonly name: keyof Tab; readonly args: never[]; readonly port: MessagePort };

declare const tab: Record<keyof Tab, (...args: never[]) => unknown>;

async function answer({ name, args, port }: Call): Promise<void> {
  port.postMessage(await tab[name](...args));
}

addEventListener("message", ({ data, ports }) => void answer({ ...data, port: ports[0] as MessagePort }));
// A shared worker hears of its pages one by one.
addEventListener("connect", (event) => {
  const [port] = (event as MessageEvent).ports;
  if (!port) return;
  port.onmessage = ({ data, ports }) => void answer({ ...data, port: ports[0] as MessagePort });
});
