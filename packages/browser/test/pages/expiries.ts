import { ledger } from "@freshtoken/testing";
import { expect } from "vitest";
import type { Browser } from "./browser.ts";
import { openSite } from "./site.ts";

interface Expiries {
  readonly pages: number;
  /** Of each page, at each expiry. */
  readonly requests: number;
  readonly expiries: number;
  readonly host?: string;
}

/** Lets pages meet expiries with requests of each, and holds the log of a server that gives no grace to it. */
export async function meetExpiries(
  browser: Browser,
  { pages: count, requests, expiries, host }: Expiries,
): Promise<void> {
  const { server, page: address, violations, close } = await openSite({}, host);
  const pages = await Promise.all(Array.from({ length: count }, () => browser.open(address())));
  await pages[0]?.ask("signIn", server.signIn());
  await Promise.all(pages.map((page) => page.ask("becomes", "signedIn a0")));

  const answers: (number | string)[] = [];
  for (let expiry = 0; expiry < expiries; expiry++) {
    server.expire();
    answers.push(...(await Promise.all(pages.map((page) => page.ask("get", requests)))).flat());
  }
  await Promise.all(pages.map((page) => page.close()));
  await close();

  expect(new Set(answers)).toStrictEqual(new Set([200]));
  const { attempts, refreshes, reuses, answers: answered } = ledger(server.log);
  expect([attempts, refreshes, reuses, answered]).toStrictEqual([
    expiries,
    expiries,
    0,
    count * requests * expiries,
  ]);
  // Hundreds of requests wait for six connections: one that was sent with older tokens may arrive after a newer one.
  expect(violations()).toStrictEqual([]);
}
