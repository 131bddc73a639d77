import { entriesAt } from "@freshtoken/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Browser } from "./pages/browser.ts";
import { CHROMIUM, type ChromiumPage, launchChromium } from "./pages/puppeteer.ts";
import { type Moment, midRefresh, type Scene } from "./pages/scene.ts";
import { describeIn } from "./pages/wanted.ts";

// What a page can come to while it refreshes, before or after the server has rotated the refresh token:
//
//   before: the token is good, and the next in turn redeems it
//   after:  the next in turn presents a token that was rotated away. A server without grace takes that for theft,
//           and ends the session; one with grace does not. No client can know better.
//   frozen: the page keeps its turn, and goes on when it is resumed. Who waits has failed at its deadline.
//   kept:   in the back-forward cache it has no turn, while its request goes on: two redeem one token

type Fault = (scene: Scene<ChromiumPage>) => Promise<unknown>;

const GRACE = { grace: { within: 10_000 } };
const moments: Moment[] = ["before", "after"];
const deaths: readonly [how: string, fault: Fault][] = [
  ["is closed", ({ refreshing }) => refreshing.close()],
  ["crashes", ({ refreshing }) => refreshing.crash()],
  [
    "is navigated away for good",
    async ({ refreshing, site }) => {
      await refreshing.evaluate("addEventListener('unload', () => {})");
      await refreshing.visit(site.plain);
    },
  ],
  ["is reloaded", ({ refreshing }) => refreshing.reload()],
];

describeIn(CHROMIUM, "a page in mid-refresh", () => {
  let browser: Browser<ChromiumPage>;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  for (const [how, fault] of deaths) {
    test(`hands its turn over where it ${how} before the server has rotated: nobody is signed out`, async () => {
      const scene = await midRefresh(browser, "before");
      await fault(scene);
      await scene.abandoned();
      scene.gate.open();

      expect(await scene.other.ask("get", 3)).toStrictEqual([200, 200, 200]);
      expect(await scene.other.ask("state")).toBe("signedIn a1");
      expect(scene.site.violations()).toStrictEqual([]);
      await scene.close();
    });

    test(`takes a token along where it ${how} after the server has rotated: one without grace ends the session`, async () => {
      const scene = await midRefresh(browser, "after");
      await fault(scene);
      await scene.abandoned();
      scene.gate.open();

      expect(await scene.other.ask("get", 3)).toStrictEqual([401, 401, 401]);
      expect(await scene.other.ask("state")).toBe("signedOut");
      expect(new Set(scene.site.violations())).toStrictEqual(new Set(["reuse"]));
      await scene.close();
    });

    test(`signs nobody out where it ${how} after a server with grace has rotated`, async () => {
      const scene = await midRefresh(browser, "after", { server: GRACE });
      await fault(scene);
      await scene.abandoned();
      scene.gate.open();

      expect(await scene.other.ask("get", 3)).toStrictEqual([200, 200, 200]);
      expect(await scene.other.ask("state")).toMatch(/^signedIn a[23]$/);
      expect(scene.site.violations()).toStrictEqual([]);
      await scene.close();
    });
  }

  for (const moment of moments) {
    test(`keeps its turn while it is frozen, ${moment} the server has rotated: who waits fails, and nobody is signed out`, async () => {
      const { refreshing, other, gate, site, close } = await midRefresh(browser, moment);
      await refreshing.freeze();
      // The answer comes, and nobody is there to read it.
      gate.open();

      const failed = Array(3).fill("RefreshFailedError");
      expect(await other.ask("get", 3)).toStrictEqual(failed);
      expect(await other.ask("state")).toBe("signedIn a0");
      await refreshing.resume();
      expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
      await other.ask("becomes", "signedIn a1");
      expect(await other.ask("get", 3)).toStrictEqual([200, 200, 200]);
      expect(site.violations()).toStrictEqual([]);
      await close();
    });

    test(`has no turn in the back-forward cache, ${moment} the server has rotated: nobody waits, and one with grace signs nobody out`, async () => {
      const { refreshing, other, gate, site, close } = await midRefresh(browser, moment, { server: GRACE });
      await refreshing.visit(site.plain);
      gate.open();

      expect(await other.ask("get", 3)).toStrictEqual([200, 200, 200]);
      await refreshing.back();
      expect(await refreshing.ask("returns")).toBe(1);
      expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
      expect(await refreshing.ask("state")).toBe(await other.ask("state"));
      // The server cannot see that the page never read its answer.
      expect(site.violations()).toStrictEqual(["turns"]);
      await close();
    });

    test(`has no turn in the back-forward cache, ${moment} the server has rotated: one without grace sees two redeem a token`, async () => {
      const { refreshing, other, gate, site, close } = await midRefresh(browser, moment);
      await refreshing.visit(site.plain);
      gate.open();

      expect(await other.ask("get", 3)).toStrictEqual([401, 401, 401]);
      await refreshing.back();
      expect(await refreshing.ask("returns")).toBe(1);
      expect(await refreshing.ask("ended")).toStrictEqual(Array(3).fill("SignedOutError"));
      expect([await refreshing.ask("state"), await other.ask("state")]).toStrictEqual([
        "signedOut",
        "signedOut",
      ]);
      expect(site.violations()).toStrictEqual(["turns", "reuse"]);
      await close();
    });

    test(`ends where another page signs out ${moment} the server has rotated, and stores nothing`, async () => {
      const { refreshing, other, gate, site, close } = await midRefresh(browser, moment);

      await other.ask("signOut");
      expect(await refreshing.ask("ended")).toStrictEqual(Array(3).fill("SignedOutError"));
      gate.open();
      await site.server.when((log) => entriesAt(log, "token").every(({ answered }) => answered));

      expect(await refreshing.ask("events")).toContain("signedOut by another");
      const revoked = moment === "before" ? ["r0"] : ["r0", "r1"];
      const answered = () => entriesAt(site.server.log, "revoke").filter((entry) => entry.answered);
      await site.server.when(() => answered().length === revoked.length);
      expect(answered().map(({ presented }) => presented)).toStrictEqual(revoked);
      await refreshing.reload();
      expect(await refreshing.ask("state")).toBe("signedOut");
      expect(site.violations()).toStrictEqual([]);
      await close();
    });

    test(`follows where another user signs in ${moment} the server has rotated, and sends nothing of the first`, async () => {
      const { refreshing, other, gate, site, close } = await midRefresh(browser, moment);

      await other.ask("signIn", site.server.signIn());
      expect(await refreshing.ask("ended")).toStrictEqual(Array(3).fill("SignedOutError"));
      gate.open();
      await site.server.when((log) => entriesAt(log, "token").every(({ answered }) => answered));

      expect(await refreshing.ask("state")).toBe("signedIn 2.a0");
      expect(await refreshing.ask("get", 3)).toStrictEqual([200, 200, 200]);
      await refreshing.reload();
      expect(await refreshing.ask("state")).toBe("signedIn 2.a0");
      expect(site.violations()).toStrictEqual([]);
      await close();
    });
  }

  test("ends where another page has signed out and nobody has heard of it", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "after");
    await other.evaluate("(() => { BroadcastChannel.prototype.postMessage = () => {}; })()");
    await other.ask("signOut");
    gate.open();

    expect(await refreshing.ask("ended")).toStrictEqual(Array(3).fill("SignedOutError"));
    expect(await refreshing.ask("events")).not.toContain("storeFailed Error");
    expect(site.violations()).toStrictEqual([]);
    await close();
  });

  test("gives its turn up after the longest section: a page that hangs is in nobody's way", async () => {
    const server = { grace: { within: 10_000 } };
    const { refreshing, other, gate, close } = await midRefresh(browser, "after", {
      server,
      longestSection: 300,
    });
    await other.ask("begin", 3);
    await gate.reached(2);
    gate.open();

    expect(await other.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(await refreshing.ask("state")).toBe(await other.ask("state"));
    await close();
  });

  test("takes no turn where it is frozen while it waits for it", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "before", {
      patience: 10_000,
    });
    const third = await browser.open(site.page());
    await other.ask("begin", 3);
    await site.server.when((log) => entriesAt(log, "resource").length === 6);
    await other.ask("told", "refreshStarted");
    await other.freeze();

    gate.open();
    expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
    site.server.expire();
    expect(await third.ask("get", 3)).toStrictEqual([200, 200, 200]);
    await other.resume();

    expect(await other.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(await other.ask("state")).toBe("signedIn a2");
    expect(site.violations()).toStrictEqual([]);
    await third.close();
    await close();
  });

  test("waits again for its turn when it is resumed", async () => {
    const scene = await midRefresh(browser, "before", { patience: 5_000 });
    const { refreshing, other, gate, site, close } = scene;
    await other.ask("begin", 3);
    await site.server.when((log) => entriesAt(log, "resource").length === 6);
    await other.ask("told", "refreshStarted");
    await other.freeze();
    await refreshing.close();
    await scene.abandoned();
    gate.open();
    await other.resume();

    expect(await other.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(await other.ask("state")).toBe("signedIn a1");
    expect(site.violations()).toStrictEqual([]);
    await close();
  });

  test("waits again for its turn when it is brought back from the back-forward cache, and is in nobody's way there", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "before", {
      patience: 10_000,
    });
    const third = await browser.open(site.page());
    await other.ask("begin", 3);
    await site.server.when((log) => entriesAt(log, "resource").length === 6);
    await other.ask("told", "refreshStarted");
    await other.visit(site.plain);

    gate.open();
    expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
    site.server.expire();
    expect(await third.ask("get", 3)).toStrictEqual([200, 200, 200]);
    await other.back();

    expect(await other.ask("returns")).toBe(1);
    expect(await other.ask("ended")).toStrictEqual([200, 200, 200]);
    expect(await other.ask("state")).toBe("signedIn a2");
    expect(site.violations()).toStrictEqual([]);
    await close();
  });
});
