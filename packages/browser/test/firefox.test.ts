import { afterAll, beforeAll, describe, test } from "vitest";
import type { Browser } from "./pages/browser.ts";
import { meetExpiries } from "./pages/expiries.ts";
import { FIREFOX, launchFirefox } from "./pages/puppeteer.ts";
import { isWanted } from "./pages/wanted.ts";

describe.runIf(isWanted(FIREFOX))("pages of Firefox", () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchFirefox();
  });
  afterAll(() => browser.close());

  test("refreshes once at each of 20 expiries that 8 pages of Firefox meet, with 50 requests each", async () => {
    await meetExpiries(browser, { pages: 8, requests: 50, expiries: 20 });
  }, 240_000);
});
