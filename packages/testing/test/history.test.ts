import { expect, test } from "vitest";
import {
  createGate,
  createServer,
  type HistoryNote,
  type HistoryOptions,
  type RequestEntry,
  type ServerOptions,
  violationsIn,
} from "../src/index.ts";
import { get, refresh, revoke } from "./requests.ts";

const grace = { uses: 9 };

// What the client says of a request comes in its path: "/me?by=tab&request=1".
function said({ at, search, headers }: RequestEntry): HistoryNote {
  const query = new URLSearchParams(at === "resource" ? search : headers["x-note"]);
  return Object.fromEntries(
    [...query].map(([name, value]) => [name, /^\d+$/.test(value) ? Number(value) : value]),
  );
}

function begin(options?: ServerOptions) {
  const server = createServer(options);
  server.signIn();
  const found = (more: HistoryOptions = {}) => violationsIn(server.log, more).map(({ what }) => what);
  const noted = () => found({ note: said });
  const redeem = (token: string, note: string) =>
    server.fetch("/token", {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: token }),
      headers: { "x-note": note },
    });
  return { server, found, noted, redeem };
}

test("finds nothing in a history without a fault", async () => {
  const { server, noted, redeem } = begin();
  server.expire();
  await get(server, "/me?request=1&family=1", "a0");
  await redeem("r0", "attempt=1");
  await get(server, "/me?request=1&family=1", "a1");
  await revoke(server, "r1");
  server.signIn();
  await get(server, "/me?request=2&family=2", "2.a0");

  expect(noted()).toStrictEqual([]);
});

test("finds a refresh token that is reused after its answer was read", async () => {
  const { server, found } = begin();
  await refresh(server, "r0");
  await refresh(server, "r0");

  expect(violationsIn(server.log)).toStrictEqual([
    { rule: "read", place: 3, what: "at 3: r0 is presented again, though its answer was read at 2" },
    { rule: "reuse", place: 4, what: "at 4: r0 is reused: it was rotated away before" },
  ]);
  expect(found({ except: ["read", "reuse"] })).toStrictEqual([]);
});

test("finds a refresh token that another client presents after its answer was read", async () => {
  const { noted, redeem } = begin({ grace });
  await redeem("r0", "by=tab");
  await redeem("r0", "by=page");

  expect(noted()).toStrictEqual(["at 3: r0 is presented again, though its answer was read at 2 by tab"]);
});

test("takes a refresh token that is presented again for an answer that was lost or brought none", async () => {
  const { server, found } = begin({ grace });
  server.next("token", { reset: "after" }, { status: 502, acts: true }, { status: 503 });
  await refresh(server, "r0").catch(() => {});
  await refresh(server, "r0");
  await refresh(server, "r0");
  await refresh(server, "r0");

  expect(found()).toStrictEqual([]);
});

test("takes a refresh token that stays in use", async () => {
  const { server, found } = begin({ rotate: false });
  for (const token of ["a0", "a1", "a2"]) {
    await get(server, "/me", token);
    await refresh(server, "r0");
  }

  expect(found()).toStrictEqual([]);
});

test("finds a second repeat at once after a lost answer", async () => {
  const { server, noted, redeem } = begin({ grace });
  server.always("token", { status: 502 });
  await redeem("r0", "attempt=1&sentAt=1000&endedAt=1010");
  await redeem("r0", "attempt=2&sentAt=1010&endedAt=1020");
  await redeem("r0", "attempt=3&sentAt=1169&endedAt=1180");

  expect(noted()).toStrictEqual(["at 5: r0 is presented at once a second time, 149 ms after a loss"]);
});

test("takes one repeat at once in each round, and others after a back-off", async () => {
  const { server, noted, redeem } = begin({ grace });
  server.always("token", { status: 502 });
  for (const [attempt, sentAt] of [1000, 1010, 1170, 1180, 1190, 1350].entries())
    await redeem("r0", `attempt=${(attempt % 3) + 1}&sentAt=${sentAt}&endedAt=${sentAt + 10}`);

  expect(noted()).toStrictEqual([]);
});

test("finds two token sets in use that one refresh token brought", async () => {
  const { server, noted, redeem } = begin({ grace });
  const gate = createGate();
  server.next("token", { answerAfter: gate });
  const slow = redeem("r0", "by=tab");
  await redeem("r0", "by=page");
  gate.open();
  await slow;
  await get(server, "/me?by=tab", "a1");
  await redeem("r2", "by=page");

  expect(noted()).toStrictEqual(["at 7: r2 is used, of the second token set that r0 brought"]);
});

test("finds an older token set in use after a newer one", async () => {
  const { server, found } = begin();
  await refresh(server, "r0");
  await get(server, "/me", "a1");
  await get(server, "/me", "a0");

  expect(found()).toStrictEqual(["at 5: a0 is used, after generation 1"]);
});

test("finds tokens of a sign-in that its client has left", async () => {
  const { server, found, noted } = begin();
  await get(server, "/me?by=tab", "a0");
  server.signIn();
  await get(server, "/me?by=page", "2.a0");
  await get(server, "/me?by=tab", "a0");

  expect(found()).toStrictEqual(["at 6: a0 is used again, of a sign-in that was left"]);
  expect(noted()).toStrictEqual([]);
});

test("finds tokens of a sign-in that its client has revoked", async () => {
  const { server, found } = begin();
  await revoke(server, "r0");
  await refresh(server, "r0");

  expect(found()).toStrictEqual(["at 3: r0 is used, of a sign-in that was revoked"]);
});

test("finds a replay without newer tokens", async () => {
  const { server, noted } = begin();
  await get(server, "/me?request=1", "a0");
  await get(server, "/me?request=1", "a0");

  expect(noted()).toStrictEqual(["at 3: 1 is sent again with a0, after a0"]);
});

test("finds a request that is sent a fourth time", async () => {
  const { server, noted } = begin();
  for (const generation of [0, 1, 2, 3]) {
    await get(server, "/me?request=1", `a${generation}`);
    await refresh(server, `r${generation}`);
  }

  expect(noted()).toStrictEqual(["at 13: 1 is sent for the 4th time"]);
});

test("finds a request with tokens of another sign-in than it was made under", async () => {
  const { server, found } = begin();
  server.signIn();
  await get(server, "/me?request=1", "2.a0");
  await get(server, "/me?request=2", "a0");
  await get(server, "/me?request=3");
  const families = { 1: 1, 2: null, 3: null };
  const note: HistoryOptions["note"] = (entry) => {
    const { request } = said(entry);
    return { request: String(request), family: families[Number(request) as keyof typeof families] };
  };

  expect(found({ note, except: ["older"] })).toStrictEqual([
    "at 2: 1, made under sign-in 1, is sent with 2.a0 of sign-in 2",
    "at 4: 2, made under none, is sent with a0 of sign-in 1",
  ]);
});

test("looks at each arrival and each answer once", async () => {
  const { server } = begin();
  for (let generation = 0; generation < 50; generation++) await refresh(server, `r${generation}`);
  let looks = 0;

  violationsIn(server.log, { note: () => void looks++ as undefined });

  expect(looks).toBe(100);
});
