import { storeContract } from "@freshtoken/testing/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { subjectOf } from "../store-subject.ts";
import type { Browser, Page } from "./browser.ts";
import { meetExpiries } from "./expiries.ts";
import { type Moment, midRefresh } from "./scene.ts";
import { openSite, type Site } from "./site.ts";
import { describeIn } from "./wanted.ts";

const moments: Moment[] = ["before", "after"];

/** What holds in pages of every browser. */
export function everywhere(name: string, executable: string, launch: () => Promise<Browser>): void {
  describeIn(executable, `pages of ${name}`, () => {
    let browser: Browser;

    beforeAll(async () => {
      browser = await launch();
    });
    afterAll(() => browser?.close());

    test(`refreshes once at each of 20 expiries that 8 pages of ${name} meet with 50 requests each`, async () => {
      await meetExpiries(browser, { pages: 8, requests: 50, expiries: 20 });
    }, 240_000);

    test("hands the turn of a page that is closed over, before the server has rotated", async () => {
      const scene = await midRefresh(browser, "before", { patience: 10_000 });
      await scene.refreshing.close();
      await scene.abandoned();
      scene.gate.open();

      expect(await scene.other.ask("get", 3)).toStrictEqual([200, 200, 200]);
      expect(scene.site.violations()).toStrictEqual([]);
      await scene.close();
    });

    // Firefox breaks the request off first and leaves the page later: it asks again meanwhile, and is not heard.
    for (const end of ["close", "reload"] as const) {
      test(`signs nobody out where a page is gone (${end}) after a server with grace has rotated`, async () => {
        const server = { grace: { within: 10_000 } };
        const scene = await midRefresh(browser, "after", { server, patience: 10_000 });
        await scene.refreshing[end]();
        scene.gate.open();

        expect(await scene.other.ask("get", 3)).toStrictEqual([200, 200, 200]);
        expect(await scene.other.ask("state")).toMatch(/^signedIn a[123]$/);
        await scene.close();
      });
    }

    for (const moment of moments) {
      test(`ends a refresh where another page signs out, ${moment} the server has rotated`, async () => {
        const { refreshing, other, gate, site, close } = await midRefresh(browser, moment);
        await other.ask("signOut");

        expect(await refreshing.ask("ended")).toStrictEqual(Array(3).fill("SignedOutError"));
        gate.open();
        expect(await refreshing.ask("state")).toBe("signedOut");
        expect(site.violations()).toStrictEqual([]);
        await close();
      });

      test(`follows another user's sign-in in mid-refresh, ${moment} the server has rotated`, async () => {
        const { refreshing, other, gate, site, close } = await midRefresh(browser, moment);
        await other.ask("signIn", site.server.signIn());

        expect(await refreshing.ask("ended")).toStrictEqual(Array(3).fill("SignedOutError"));
        gate.open();
        await refreshing.ask("becomes", "signedIn 2.a0");
        expect(await refreshing.ask("get", 3)).toStrictEqual([200, 200, 200]);
        expect(site.violations()).toStrictEqual([]);
        await close();
      });
    }

    describe(`the contract of stores, through browserStore in ${name}`, () => {
      let site: Site;
      let page: Page;

      beforeAll(async () => {
        site = await openSite();
        page = await browser.open(`${site.origin}/contract`);
      });
      afterAll(async () => {
        await page?.close();
        await site?.close();
      });

      // A case is run in the page that has all of them: here only its title is of use.
      for (const { title } of storeContract(subjectOf(""))) {
        test(title, () => page.evaluate(running(title)));
      }
    });
  });
}

function running(title: string): string {
  return `(async () => {
    while (!globalThis.runCase) await new Promise((resolve) => setTimeout(resolve, 5));
    await runCase(${JSON.stringify(title)});
  })()`;
}
