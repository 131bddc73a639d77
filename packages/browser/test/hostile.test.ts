import { ledger } from "@freshtoken/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hash } from "../src/hash.ts";
import type { Browser } from "./pages/browser.ts";
import { CHROMIUM, type ChromiumPage, launchChromium } from "./pages/puppeteer.ts";
import { midRefresh } from "./pages/scene.ts";
import { openSite } from "./pages/site.ts";
import { describeIn } from "./pages/wanted.ts";

const shared = JSON.stringify(`freshtoken-${hash("main")}`);

describeIn(CHROMIUM, "other scripts of the origin", () => {
  let browser: Browser<ChromiumPage>;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  test("sign nobody out by keeping the lock: who waits fails at the deadline, and goes on when it is free", async () => {
    const site = await openSite();
    const [page, thief] = await Promise.all([
      browser.open(site.page({ refreshTimeout: 1_500 })),
      browser.open(site.plain),
    ]);
    await page.ask("signIn", site.server.signIn());
    await thief.evaluate(
      `new Promise((resolve) => void navigator.locks.request(${shared}, () => new Promise(resolve)))`,
    );
    site.server.expire();

    expect(await page.ask("get", 2)).toStrictEqual(["RefreshFailedError", "RefreshFailedError"]);
    expect(await page.ask("state")).toBe("signedIn a0");
    await thief.close();
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 1_100))");
    expect(await page.ask("get", 2)).toStrictEqual([200, 200]);
    expect(ledger(site.server.log)).toMatchObject({ attempts: 1, refreshes: 1 });
    await Promise.all([page.close(), site.close()]);
  });

  test("change nothing by hints of theirs, whatever is in them", async () => {
    const site = await openSite();
    const [page, liar] = await Promise.all([browser.open(site.page()), browser.open(site.plain)]);
    await page.ask("signIn", site.server.signIn());
    const before = await page.ask("events");

    await liar.evaluate(`(async () => {
      const channel = new BroadcastChannel(${shared});
      const lies = [7, -1, null, "signedOut", { family: "f", generation: 9, tokens: { accessToken: "x" } }, []];
      for (let round = 0; round < 50; round++) for (const lie of lies) channel.postMessage(lie);
    })()`);
    site.server.expire();

    expect(await page.ask("get", 3)).toStrictEqual([200, 200, 200]);
    const after = ["refreshStarted", "refreshed", "replayed", "replayed", "replayed"];
    expect((await page.ask("events")).filter((event) => event !== "released")).toStrictEqual([
      ...before,
      ...after,
    ]);
    expect(ledger(site.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    await Promise.all([liar.close(), page.close(), site.close()]);
  });

  test("hear that something changed and nothing else, and read no name and no token in the lock's", async () => {
    const { refreshing, gate, site, other, close } = await midRefresh(browser, "before", {
      name: "ann@example.com",
    });
    const channel = JSON.stringify(`freshtoken-${hash("ann@example.com")}`);
    const spy = await browser.open(site.plain);
    await spy.evaluate(`(async () => {
      globalThis.heard = [];
      globalThis.channel = new BroadcastChannel(${channel});
      globalThis.channel.onmessage = ({ data }) => heard.push(data);
    })()`);

    const { held } = await spy.evaluate<LockManagerSnapshot>("navigator.locks.query()");
    gate.open();
    await refreshing.ask("ended");
    await other.ask("becomes", "signedIn a1");
    await other.ask("signOut");
    await refreshing.ask("becomes", "signedOut");

    expect(held?.map(({ name }) => name)).toStrictEqual([JSON.parse(channel)]);
    expect(channel).not.toMatch(/ann|example/);
    expect(await spy.evaluate("heard")).toStrictEqual([0, 0]);
    await spy.close();
    expect(site.violations()).toStrictEqual([]);
    await close();
  });
});
