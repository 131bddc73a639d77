import puppeteer, { type Browser as Launched, type Page as Shown } from "puppeteer-core";
import { asking, type Browser, type Page } from "./browser.ts";

/** What Chromium can do to a page, besides. */
export interface ChromiumPage extends Page {
  /** Stops everything in it, as a browser does to save energy. */
  freeze(): Promise<void>;
  resume(): Promise<void>;
  /** Ends its process as a fault would. */
  crash(): Promise<void>;
  /** Runs an expression in its documents from now on, before anything of theirs. */
  beforeLoad(expression: string): Promise<void>;
  back(): Promise<void>;
  /** Makes it the visible page of its window. */
  show(): Promise<void>;
  /** Clears all data of its origin, as the user can. */
  clear(): Promise<void>;
}

/** A host that leads to loopback in Chromium, and counts as insecure there. */
export const INSECURE = "insecure.test";

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  `--host-resolver-rules=MAP ${INSECURE} 127.0.0.1`,
  "--disable-features=HttpsUpgrades",
];

/** Starts Chromium; with the profile in this folder, else with a new one. */
export async function launchChromium(profile?: string): Promise<Browser<ChromiumPage>> {
  const launched = await puppeteer.launch({
    executablePath: CHROMIUM,
    args,
    ...(profile !== undefined && { userDataDir: profile }),
    headless: true,
    // It ends with this process, however that ends.
    pipe: true,
  });
  return browserOf(launched, chromiumPage);
}

export async function launchFirefox(): Promise<Browser> {
  const launched = await puppeteer.launch({
    browser: "firefox",
    executablePath: `${import.meta.dirname}/leash.mjs`,
    env: { ...process.env, LEASHED: FIREFOX },
    headless: true,
  });
  return browserOf(launched, pageOf);
}

export const FIREFOX = "/usr/bin/firefox-esr";
export const CHROMIUM: string = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

function browserOf<P extends Page>(launched: Launched, pageOf: (shown: Shown) => P | Promise<P>): Browser<P> {
  const errors: unknown[] = [];
  return {
    async open(url) {
      const page = await launched.newPage();
      page.on("pageerror", (error) => errors.push(error));
      await page.goto(url);
      return pageOf(page);
    },
    async close() {
      await launched.close();
      // What nobody has caught in a page, or handled there.
      if (errors.length > 0) throw errors[0];
    },
  };
}

function pageOf(page: Shown): Page {
  return {
    ask: (name, ...args) => page.evaluate(asking(name, args)) as never,
    evaluate: (expression) => page.evaluate(expression) as never,
    visit: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    close: () => page.close(),
  };
}

async function chromiumPage(page: Shown): Promise<ChromiumPage> {
  const session = await page.createCDPSession();
  return {
    ...pageOf(page),
    freeze: async () => void (await session.send("Page.setWebLifecycleState", { state: "frozen" })),
    resume: async () => void (await session.send("Page.setWebLifecycleState", { state: "active" })),
    async crash() {
      const crashed = new Promise((resolve) => page.once("error", resolve));
      session.send("Page.crash").catch(() => {});
      await crashed;
    },
    beforeLoad: async (expression) => void (await page.evaluateOnNewDocument(expression)),
    back: async () => void (await page.goBack()),
    show: () => page.bringToFront(),
    async clear() {
      const { origin } = new URL(page.url());
      await session.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" });
    },
  };
}
