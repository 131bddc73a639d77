import { afterAll, beforeAll, describe, test } from "vitest";
import type { Browser } from "./pages/browser.ts";
import { meetExpiries } from "./pages/expiries.ts";
import { isWanted } from "./pages/wanted.ts";
import { launchWebKit, WEBKIT } from "./pages/webkit.ts";

describe.runIf(isWanted(WEBKIT))("pages of WebKitGTK", () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchWebKit();
  });
  afterAll(() => browser.close());

  test("refreshes once at each of 20 expiries that 8 pages of WebKitGTK meet, with 50 requests each", async () => {
    await meetExpiries(browser, { pages: 8, requests: 50, expiries: 20 });
  }, 240_000);
});
