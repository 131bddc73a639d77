import { ledger } from "@freshtoken/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Browser } from "./pages/browser.ts";
import { meetExpiries } from "./pages/expiries.ts";
import { CHROMIUM, type ChromiumPage, INSECURE, launchChromium } from "./pages/puppeteer.ts";
import { midRefresh } from "./pages/scene.ts";
import { openSite } from "./pages/site.ts";
import { describeIn } from "./pages/wanted.ts";

describeIn(CHROMIUM, "an insecure origin, which has no Web Locks", () => {
  let browser: Browser<ChromiumPage>;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  test("refreshes once at each of 5 expiries that 4 pages meet there", async () => {
    const site = await openSite({}, INSECURE);
    const page = await browser.open(site.page());
    expect(await page.evaluate("[isSecureContext, typeof navigator.locks].join()")).toBe("false,undefined");
    await Promise.all([page.close(), site.close()]);

    await meetExpiries(browser, { pages: 4, requests: 10, expiries: 5, host: INSECURE });
  });

  test.each(["none", "null", "denied"] as const)(
    "refreshes once where the lock API gives %s",
    async (locks) => {
      const site = await openSite();
      const pages = await Promise.all([
        browser.open(site.page({ locks })),
        browser.open(site.page({ locks })),
      ]);
      await pages[0].ask("signIn", site.server.signIn());
      await pages[1].ask("becomes", "signedIn a0");
      site.server.expire();
      const answering = site.server.gate("token", "answer");

      const asked = pages.map((page) => page.ask("get", 5));
      await answering.reached(1);
      // Whoever took no turn would ask meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 500));
      answering.open();
      const answers = await Promise.all(asked);

      expect(answers.flat()).toStrictEqual(Array(10).fill(200));
      expect(ledger(site.server.log)).toMatchObject({ attempts: 1, refreshes: 1 });
      await Promise.all([...pages.map((page) => page.close()), site.close()]);
    },
  );

  test.each(["crash", "close"] as const)(
    "takes the turn of a page that is gone (%s) once its lease is over, within the deadline",
    async (end) => {
      const scene = await midRefresh(browser, "before", { host: INSECURE, lease: 400 });
      await scene.refreshing[end]();
      await scene.abandoned();
      scene.gate.open();

      expect(await scene.other.ask("get", 3)).toStrictEqual([200, 200, 200]);
      expect(scene.site.violations()).toStrictEqual([]);
      await scene.close();
    },
  );

  test("keeps its turn for as long as it refreshes, though its lease is shorter", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "after", {
      host: INSECURE,
      lease: 1_000,
    });

    expect(await other.ask("get", 3)).toStrictEqual(Array(3).fill("RefreshFailedError"));
    gate.open();
    expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(ledger(site.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    await close();
  });

  test("goes to the back-forward cache in mid-refresh, and others have its turn once its lease is over", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "before", {
      host: INSECURE,
      lease: 400,
      server: { grace: { within: 10_000 } },
    });
    await refreshing.visit(site.plain);
    gate.open();

    expect(await other.ask("get", 3)).toStrictEqual([200, 200, 200]);
    await refreshing.back();
    expect(await refreshing.ask("returns")).toBe(1);
    expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
    await close();
  });

  test("refreshes once where both clocks are set back in mid-refresh", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "before", { host: INSECURE });
    const back = "(() => { const { now } = Date; Date.now = () => now() - 60_000; })()";
    await Promise.all([refreshing.evaluate(back), other.evaluate(back)]);

    expect(await other.ask("get", 3)).toStrictEqual(Array(3).fill("RefreshFailedError"));
    gate.open();
    expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(ledger(site.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    await close();
  });

  test("is frozen longer than its lease: a server without grace sees two redeem a token", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "before", {
      host: INSECURE,
      lease: 300,
    });
    await refreshing.freeze();
    await other.ask("begin", 1);
    await gate.reached(2);
    gate.open();
    await refreshing.resume();

    await Promise.all([other.ask("ended"), refreshing.ask("ended")]);
    expect(site.violations()).toContain("reuse");
    await close();
  });

  test("loses its turn while it is frozen longer than its lease, and presents no token again when it is resumed", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "before", {
      host: INSECURE,
      lease: 300,
      server: { grace: { within: 10_000 } },
    });
    await refreshing.freeze();
    other.ask("begin", 3);
    await gate.reached(2);
    await refreshing.resume();
    gate.open();

    expect(await other.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(ledger(site.server.log)).toMatchObject({ attempts: 2 });
    expect(await refreshing.ask("state")).toBe(await other.ask("state"));
    await close();
  });
});
