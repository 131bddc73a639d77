import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import type { Browser } from "./browser.ts";
import { callerOf, openerOf } from "./webdriver.ts";

export const WEBKIT = "/usr/bin/WebKitWebDriver";
const [MINI_BROWSER] = globSync("/usr/lib/*/webkit2gtk-4.1/MiniBrowser");

/** Starts WebKitGTK on a display of its own, and drives it by plain WebDriver. */
export async function launchWebKit(): Promise<Browser> {
  const xvfb = leashed("/usr/bin/Xvfb", ["-displayfd", "1", "-nolisten", "tcp"]);
  const [display] = await once(createInterface(xvfb.stdout as Readable), "line");
  const port = await freePort();
  const driver = leashed(WEBKIT, ["--host=127.0.0.1", `--port=${port}`], { DISPLAY: `:${display}` });
  const address = `http://127.0.0.1:${port}`;
  const call = callerOf(address);
  while (!(await call("GET", "/status").catch(() => undefined))) await pause(20);
  const browserOptions = { binary: MINI_BROWSER, args: ["--automation"] };
  const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": browserOptions } };
  const { sessionId } = await call<{ sessionId: string }>("POST", "/session", { capabilities });

  return {
    open: await openerOf(callerOf(`${address}/session/${sessionId}`)),
    async close() {
      await call("DELETE", `/session/${sessionId}`);
      for (const child of [driver, xvfb]) {
        child.kill();
        await once(child, "exit");
      }
    },
  };
}

// A child that ends when this process does, however that ends.
function leashed(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [`${import.meta.dirname}/leash.mjs`, ...args], {
    env: { ...process.env, ...env, LEASHED: program },
    stdio: ["ignore", "pipe", "ignore"],
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
