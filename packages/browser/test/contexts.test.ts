import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ledger } from "@freshtoken/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Browser, Page } from "./pages/browser.ts";
import { CHROMIUM, type ChromiumPage, launchChromium } from "./pages/puppeteer.ts";
import { openSite } from "./pages/site.ts";
import { describeIn } from "./pages/wanted.ts";

// How a page reaches the session of a worker, for each kind.
const kinds = {
  dedicated: "(globalThis.worker ??= new Worker(address, { type: 'module' }))",
  shared: "(globalThis.shared ??= new SharedWorker(address, { type: 'module' })).port",
  service: `(await (async () => {
    const { serviceWorker } = navigator;
    await serviceWorker.register(address, { type: "module" });
    return (await serviceWorker.ready).active;
  })())`,
};

/** Asks the session of a worker of this page. */
function ask<R>(page: Page, kind: keyof typeof kinds, name: string, ...args: readonly unknown[]): Promise<R> {
  return page.evaluate(`(async () => {
    const address = "/worker.js";
    const target = ${kinds[kind]};
    const { port1, port2 } = new MessageChannel();
    const answered = new Promise((resolve) => { port1.onmessage = ({ data }) => resolve(data); });
    target.postMessage(${JSON.stringify({ name, args })}, [port2]);
    return answered;
  })()`);
}

describeIn(CHROMIUM, "who shares a session", () => {
  let browser: Browser<ChromiumPage>;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  /** Two pages of a session, of which the other signs in and tells nobody. */
  async function unheardPages() {
    const site = await openSite();
    const [page, other] = await Promise.all([browser.open(site.page()), browser.open(site.page())]);
    await page.ask("signIn", site.server.signIn());
    await other.ask("becomes", "signedIn a0");
    await other.evaluate("(() => { BroadcastChannel.prototype.postMessage = () => {}; })()");
    return {
      page,
      other,
      unheard: () => other.ask("signIn", site.server.signIn()),
      close: () => Promise.all([page.close(), other.close(), site.close()]),
    };
  }

  test("refreshes once for pages, a dedicated, a shared and a service worker", async () => {
    const site = await openSite();
    const pages = await Promise.all([browser.open(site.page()), browser.open(site.page())]);
    const [page] = pages;
    await page.ask("signIn", site.server.signIn());
    const workers = Object.keys(kinds) as (keyof typeof kinds)[];
    await Promise.all(workers.map((kind) => ask(page, kind, "becomes", "signedIn a0")));

    for (let expiry = 1; expiry <= 3; expiry++) {
      site.server.expire();
      const answers = await Promise.all([
        ...pages.map((each) => each.ask("get", 5)),
        ...workers.map((kind) => ask<number[]>(page, kind, "get", 5)),
      ]);
      expect(answers.flat()).toStrictEqual(Array(25).fill(200));
    }
    expect(ledger(site.server.log)).toMatchObject({ attempts: 3, refreshes: 3, reuses: 0 });
    expect(site.violations()).toStrictEqual([]);
    await Promise.all([...pages.map((each) => each.close()), site.close()]);
  });

  test("refreshes once for 10 tabs that are restored at once after the browser was closed", async () => {
    const profile = mkdtempSync(join(tmpdir(), "freshtoken-profile-"));
    const site = await openSite();
    const first = await launchChromium(profile);
    await (await first.open(site.page())).ask("signIn", site.server.signIn());
    await first.close();
    site.server.expire();

    const second = await launchChromium(profile);
    const tabs = await Promise.all(Array.from({ length: 10 }, () => second.open(site.page())));
    const answers = await Promise.all(tabs.map((tab) => tab.ask("get", 5)));

    expect(answers.flat()).toStrictEqual(Array(50).fill(200));
    expect(ledger(site.server.log)).toMatchObject({ attempts: 1, refreshes: 1, reuses: 0 });
    expect(site.violations()).toStrictEqual([]);
    await second.close();
    await site.close();
    rmSync(profile, { recursive: true, force: true });
  });

  test("comes back from the back-forward cache, and looks at what was stored meanwhile", async () => {
    const site = await openSite();
    const [page, other] = await Promise.all([browser.open(site.page()), browser.open(site.page())]);
    await page.ask("signIn", site.server.signIn());
    await page.visit(site.plain);

    await other.ask("signIn", site.server.signIn());
    await page.back();
    await page.show();

    expect(await page.ask("returns")).toBe(1);
    await page.ask("becomes", "signedIn 2.a0");
    await other.ask("signOut");
    await page.ask("becomes", "signedOut");
    await Promise.all([page.close(), other.close(), site.close()]);
  });

  test("comes back from the back-forward cache, though it was reading when it was left", async () => {
    const site = await openSite();
    const [page, other] = await Promise.all([browser.open(site.page()), browser.open(site.page())]);
    await page.ask("signIn", site.server.signIn());
    await page.show();
    await page.evaluate("void setInterval(() => dispatchEvent(new Event('online')), 1)");

    // Once in a few times it is left in the middle of a transaction.
    for (let round = 1; round <= 8; round++) {
      await page.visit(site.plain);
      await other.ask("signIn", site.server.signIn());
      await page.back();
      expect(await page.ask("returns")).toBe(round);
    }
    await Promise.all([page.close(), other.close(), site.close()]);
  });

  test.each(["pageshow", "online"])("looks at the store on %s", async (type) => {
    const { page, unheard, close } = await unheardPages();
    await page.show();
    await unheard();
    await page.evaluate(`document.dispatchEvent(new Event("${type}"))`);

    await page.ask("becomes", "signedIn 2.a0");
    await close();
  });

  test("looks at the store when it becomes visible", async () => {
    const { page, other, unheard, close } = await unheardPages();
    await other.show();
    await unheard();
    await page.show();

    await page.ask("becomes", "signedIn 2.a0");
    await close();
  });

  test("keeps sessions of different names apart", async () => {
    const site = await openSite();
    const [page, other] = await Promise.all([
      browser.open(site.page({ name: "one" })),
      browser.open(site.page({ name: "other" })),
    ]);
    await page.ask("signIn", site.server.signIn());
    await other.ask("signIn", site.server.signIn());

    expect([await page.ask("state"), await other.ask("state")]).toStrictEqual([
      "signedIn a0",
      "signedIn 2.a0",
    ]);
    await Promise.all([page.close(), other.close(), site.close()]);
  });
});
