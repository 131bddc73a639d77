import { expect, test, vi } from "vitest";
import { COUNTS } from "../../proof/leaks/index.ts";
import { requests } from "../../proof/leaks/requests.ts";
import { sessions } from "../../proof/leaks/sessions.ts";

vi.setConfig({ testTimeout: 60_000 });

test("keeps nothing of the requests that went through a session with one long-lived signal", async () => {
  expect(await requests(COUNTS.test.requests, () => {})).toStrictEqual([]);
});

test("keeps nothing of the sessions that were closed", async () => {
  expect(await sessions(COUNTS.test.sessions, () => {})).toStrictEqual([]);
});
