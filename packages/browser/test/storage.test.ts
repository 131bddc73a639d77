import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entriesAt, ledger, type ServerOptions } from "@freshtoken/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Browser, Page } from "./pages/browser.ts";
import { CHROMIUM, type ChromiumPage, launchChromium } from "./pages/puppeteer.ts";
import { type Moment, midRefresh } from "./pages/scene.ts";
import { openSite, type Site } from "./pages/site.ts";
import { describeIn } from "./pages/wanted.ts";

const moments: Moment[] = ["before", "after"];
const failures = async (page: Page) =>
  (await page.ask("events")).filter((event) => event.startsWith("storeFailed"));

/** Puts a value where the record is, past the store. */
function put(page: Page, value: unknown): Promise<void> {
  return page.evaluate(`new Promise((resolve) => {
    const opening = indexedDB.open("freshtoken", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("sessions");
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("sessions", "readwrite");
      transaction.objectStore("sessions").put(${JSON.stringify(value)}, "main");
      transaction.oncomplete = () => { opening.result.close(); resolve(); };
    };
  })`);
}

/** Lets so many openings of the database fail, as they do where a process of the browser has ended. */
function breakDatabase(times: string): string {
  return `(() => {
    const { open } = IDBFactory.prototype;
    let left = ${times};
    IDBFactory.prototype.open = function (...args) {
      if (left-- > 0) throw new DOMException("the connection was lost", "UnknownError");
      return open.apply(this, args);
    };
    globalThis.mend = () => { left = 0; };
  })()`;
}

// Chromium has no quota that a test can reach: its 10 GiB are out of the way.
const NO_ROOM = `(() => {
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = () => { throw new DOMException("no room", "QuotaExceededError"); };
  globalThis.makeRoom = () => { IDBObjectStore.prototype.put = put; };
})()`;

/** Takes the database as a later version of ours would. */
const NEWER = `new Promise((resolve) => {
  const opening = indexedDB.open("freshtoken", 2);
  opening.onsuccess = () => { opening.result.close(); resolve(); };
})`;

/** Signs in, meets two expiries, and tells what came of it. */
async function lives(page: Page, { server }: Site): Promise<unknown[]> {
  const answers: unknown[] = [await page.ask("state")];
  await page.ask("signIn", server.signIn());
  for (let expiry = 0; expiry < 2; expiry++) {
    server.expire();
    answers.push(...(await page.ask("get", 2)));
  }
  return [...answers, await page.ask("state")];
}

describeIn(CHROMIUM, "the storage of Chromium", () => {
  let browser: Browser<ChromiumPage>;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  test.each([
    ["of an older form", { v: 0, access_token: "a0", refresh_token: "r0" }],
    ["that is none", "a0"],
    ["without tokens", { family: "f", generation: 0 }],
  ])("takes a record %s for nothing, says so, and stores over it", async (_, record) => {
    const site = await openSite();
    const plain = await browser.open(site.plain);
    await put(plain, record);
    const page = await browser.open(site.page());

    await page.ask("told", "storeFailed TypeError");
    expect(await lives(page, site)).toStrictEqual(["signedOut", 200, 200, 200, 200, "signedIn a2"]);
    await page.reload();
    expect(await page.ask("state")).toBe("signedIn a2");
    await Promise.all([plain.close(), page.close(), site.close()]);
  });

  test("stores the first tokens of a page over a record without tokens", async () => {
    const site = await openSite();
    const plain = await browser.open(site.plain);
    await put(plain, { family: "f", generation: 0 });
    const page = await browser.open(site.page({ tokens: site.server.signIn() }));

    const other = await browser.open(site.page());
    await other.ask("becomes", "signedIn a0");
    expect(await page.ask("state")).toBe("signedIn a0");
    await Promise.all([plain.close(), page.close(), other.close(), site.close()]);
  });

  test("stays signed in where the database cannot be opened for a while, and says so", async () => {
    const site = await openSite();
    const page = await browser.open(site.page());
    await page.ask("signIn", site.server.signIn());
    await page.evaluate(breakDatabase("Infinity"));

    await page.evaluate(`dispatchEvent(new Event("online"))`);
    await page.ask("told", "storeFailed UnknownError");
    expect(await page.ask("state")).toBe("signedIn a0");
    await page.evaluate("mend()");
    site.server.expire();
    expect(await page.ask("get", 2)).toStrictEqual([200, 200]);
    await Promise.all([page.close(), site.close()]);
  });

  test("is not signed out where the database cannot be opened at first: what waits fails, the next loads", async () => {
    const site = await openSite();
    const page = await browser.open(site.page());
    await page.ask("signIn", site.server.signIn());
    await page.beforeLoad(breakDatabase("Infinity"));
    await page.reload();

    await page.ask("told", "storeFailed UnknownError");
    expect(await page.ask("get", 1)).toStrictEqual(["RefreshFailedError"]);
    expect(await page.ask("events")).not.toContain("signedOut");
    await page.evaluate("mend()");
    expect(await page.ask("get", 1)).toStrictEqual([200]);
    expect(await page.ask("state")).toBe("signedIn a0");
    await Promise.all([page.close(), site.close()]);
  });

  test("keeps the session in memory where another's database has that name, and says so once", async () => {
    const site = await openSite();
    const plain = await browser.open(site.plain);
    await plain.evaluate(`new Promise((resolve) => {
      const opening = indexedDB.open("freshtoken", 1);
      opening.onsuccess = () => { opening.result.close(); resolve(); };
    })`);
    const page = await browser.open(site.page());

    expect(await lives(page, site)).toStrictEqual(["signedOut", 200, 200, 200, 200, "signedIn a2"]);
    expect(await failures(page)).toStrictEqual(["storeFailed NotFoundError"]);
    await Promise.all([plain.close(), page.close(), site.close()]);
  });

  test("leaves no listener behind where there is no storage", async () => {
    const site = await openSite();
    const page = await browser.open(site.page({}, "sandbox"));
    await page.ask("state");
    await page.evaluate(`(() => {
      globalThis.ends = [];
      const add = globalThis.addEventListener;
      globalThis.addEventListener = function (type, listener, options) {
        if (type === "pagehide") ends.push(options.signal);
        return add.call(this, type, listener, options);
      };
    })()`);

    await page.ask("signIn", site.server.signIn());
    site.server.expire();
    expect(await page.ask("get", 2)).toStrictEqual([200, 200]);
    await page.evaluate(`dispatchEvent(new Event("online"))`);
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 50))");
    expect(await page.evaluate("ends.length > 0 && ends.every(({ aborted }) => aborted)")).toBe(true);
    await Promise.all([page.close(), site.close()]);
  });

  test("opens the database once more where that failed, and says nothing", async () => {
    const site = await openSite();
    const page = await browser.open(site.page());
    await page.ask("signIn", site.server.signIn());
    await page.evaluate(breakDatabase("1"));
    site.server.expire();

    expect(await page.ask("get", 2)).toStrictEqual([200, 200]);
    expect(await failures(page)).toStrictEqual([]);
    await Promise.all([page.close(), site.close()]);
  });

  test("keeps the session in memory where a newer version has the database, and says so once", async () => {
    const site = await openSite();
    const plain = await browser.open(site.plain);
    await plain.evaluate(NEWER);
    const page = await browser.open(site.page());

    expect(await lives(page, site)).toStrictEqual(["signedOut", 200, 200, 200, 200, "signedIn a2"]);
    expect(await failures(page)).toStrictEqual(["storeFailed VersionError"]);
    await Promise.all([plain.close(), page.close(), site.close()]);
  });

  test("keeps the session in memory where the origin is opaque, without locks, and says so once", async () => {
    const site = await openSite();
    const page = await browser.open(site.page({}, "sandbox"));

    expect(await lives(page, site)).toStrictEqual(["signedOut", 200, 200, 200, 200, "signedIn a2"]);
    expect(await failures(page)).toStrictEqual(["storeFailed SecurityError"]);
    expect(site.violations()).toStrictEqual([]);
    await Promise.all([page.close(), site.close()]);
  });

  test("keeps the session in memory where the user lets no site store anything, and says so once", async () => {
    const profile = mkdtempSync(join(tmpdir(), "freshtoken-profile-"));
    mkdirSync(join(profile, "Default"));
    const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
    writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
    const private_ = await launchChromium(profile);
    const site = await openSite();
    const page = await private_.open(site.page());

    expect(await lives(page, site)).toStrictEqual(["signedOut", 200, 200, 200, 200, "signedIn a2"]);
    expect(await failures(page)).toHaveLength(1);
    expect(site.violations()).toStrictEqual([]);
    await private_.close();
    await site.close();
    rmSync(profile, { recursive: true, force: true });
  });

  test("keeps new tokens in memory where the quota is used up, says so once, and stores them when there is room", async () => {
    const site = await openSite();
    const page = await browser.open(site.page());
    await page.ask("signIn", site.server.signIn());
    await page.evaluate(NO_ROOM);

    for (let expiry = 0; expiry < 2; expiry++) {
      site.server.expire();
      expect(await page.ask("get", 2)).toStrictEqual([200, 200]);
    }
    expect(await failures(page)).toStrictEqual(["storeFailed QuotaExceededError"]);
    const other = await browser.open(site.page());
    expect(await other.ask("state")).toBe("signedIn a0");
    await page.show();
    await page.evaluate("makeRoom()");
    await page.evaluate(`dispatchEvent(new Event("online"))`);

    await other.ask("becomes", "signedIn a2");
    site.server.expire();
    expect(await page.ask("get", 2)).toStrictEqual([200, 200]);
    await page.reload();
    expect(await page.ask("state")).toBe("signedIn a3");
    await other.close();
    expect(site.violations()).toStrictEqual([]);
    await Promise.all([page.close(), site.close()]);
  });

  test.each<[string, ServerOptions, string]>([
    ["the session ends at a server without grace", {}, "signedOut"],
    ["both tabs go on at a server with grace", { grace: { within: 10_000 } }, "signedIn a2"],
  ])(
    "redeems a token twice where the quota is used up and another tab refreshes: %s",
    async (_, server, state) => {
      const site = await openSite(server);
      const [page, other] = await Promise.all([browser.open(site.page()), browser.open(site.page())]);
      await page.ask("signIn", site.server.signIn());
      await other.ask("becomes", "signedIn a0");
      await page.evaluate(NO_ROOM);
      site.server.expire();
      expect(await page.ask("get", 1)).toStrictEqual([200]);

      await other.ask("get", 1);
      expect(await other.ask("state")).toBe(state);
      await Promise.all([page.close(), other.close(), site.close()]);
    },
  );

  test("fails to refresh where a newer version takes the database of an open page, and stays signed in", async () => {
    const site = await openSite();
    const [page, plain] = await Promise.all([browser.open(site.page()), browser.open(site.plain)]);
    await page.ask("signIn", site.server.signIn());
    await plain.evaluate(NEWER);
    site.server.expire();

    expect(await page.ask("get", 1)).toStrictEqual(["RefreshFailedError"]);
    expect(await page.ask("state")).toBe("signedIn a0");
    expect(site.violations()).toStrictEqual([]);
    await Promise.all([page.close(), plain.close(), site.close()]);
  });

  test("signs out where the quota is used up: other tabs hear of it, and a reload does not undo it", async () => {
    const site = await openSite();
    const [page, other] = await Promise.all([browser.open(site.page()), browser.open(site.page())]);
    await page.ask("signIn", site.server.signIn());
    await other.ask("becomes", "signedIn a0");
    await page.evaluate(NO_ROOM);
    await page.ask("signOut");

    await other.ask("becomes", "signedOut");
    await page.reload();
    expect(await page.ask("state")).toBe("signedOut");
    expect(await failures(other)).toStrictEqual([]);
    await Promise.all([page.close(), other.close(), site.close()]);
  });

  for (const moment of moments) {
    test(`keeps what it receives in memory where the data is cleared ${moment} the server has rotated, and says so once`, async () => {
      const { refreshing, other, gate, site, close } = await midRefresh(browser, moment);
      await refreshing.clear();
      gate.open();

      expect(await refreshing.ask("ended")).toStrictEqual([200, 200, 200]);
      site.server.expire();
      expect(await refreshing.ask("get", 2)).toStrictEqual([200, 200]);
      expect(await failures(refreshing)).toStrictEqual(["storeFailed Error"]);
      expect(await other.ask("get", 1)).toStrictEqual(["SignedOutError"]);
      await refreshing.reload();
      expect(await refreshing.ask("state")).toBe("signedOut");
      expect(ledger(site.server.log)).toMatchObject({ attempts: 2, reuses: 0 });
      expect(site.violations()).toStrictEqual([]);
      await close();
    });
  }

  test("stores the next sign-in of a page whose data was cleared", async () => {
    const { refreshing, gate, site, close } = await midRefresh(browser, "before");
    await refreshing.clear();
    gate.open();
    await refreshing.ask("ended");

    await refreshing.ask("signIn", site.server.signIn());
    await refreshing.reload();

    expect(await refreshing.ask("state")).toBe("signedIn 2.a0");
    await close();
  });

  test("follows who signs in after the data was cleared, and a sign-out", async () => {
    const { refreshing, other, gate, site, close } = await midRefresh(browser, "before");
    await refreshing.clear();
    gate.open();
    await refreshing.ask("ended");

    await other.ask("signIn", site.server.signIn());
    await refreshing.ask("becomes", "signedIn 2.a0");
    await refreshing.ask("signOut");
    await other.ask("becomes", "signedOut");
    await site.server.when((log) => entriesAt(log, "revoke").some(({ answered }) => answered));

    expect(entriesAt(site.server.log, "revoke").map(({ presented }) => presented)).toStrictEqual(["2.r0"]);
    await close();
  });
});
