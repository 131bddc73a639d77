import { expect, test } from "vitest";
import { createServer, entriesAt, ledger, story } from "../src/index.ts";
import { get, refresh, revoke } from "./requests.ts";

test("adds the whole log up in one ledger", async () => {
  const server = createServer();
  server.signIn();
  server.expire();
  server.next("/lost", { reset: "after" });
  await Promise.all([
    get(server, "/me", "a0"),
    get(server, "/me", "a0"),
    get(server, "/lost", "a0").catch(() => {}),
  ]);
  await Promise.all([refresh(server, "r0"), refresh(server, "r0")]);
  await get(server, "/me", "a1");
  server.next("/me", { status: 500 });
  await get(server, "/me", "a1");
  await revoke(server, "r1");

  expect(ledger(server.log)).toStrictEqual({
    signIns: 1,
    attempts: 2,
    refreshes: 1,
    reuses: 1,
    revocations: 1,
    requests: 5,
    refusals: 3,
    answers: 1,
    unanswered: 1,
  });
});

test("tells the log as a story, arrivals and answers in the order they happened", async () => {
  const server = createServer();
  server.signIn();
  server.expire();
  const gate = server.gate("/late", "answer");

  const late = get(server, "/late?page=2", "a0");
  await get(server, "/me", "a0");
  await refresh(server, "r0");
  gate.open();
  await late;
  await revoke(server, "r1");
  server.signIn();
  server.withdraw();
  server.next("/me", { reset: "before" });
  await get(server, "/me").catch(() => {});
  void server.gate("/me");
  void get(server, "/me", "2.a0");

  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "expire: a0",
    "→ GET /late?page=2 a0",
    "→ GET /me a0",
    "← 401 GET /me a0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "← 401 GET /late?page=2 a0",
    "→ revoke r1",
    "← 200 revoke r1: revoked",
    "signIn: 2.a0 2.r0",
    "withdraw: family 2",
    "→ GET /me",
    "← reset GET /me",
    "→ GET /me 2.a0",
  ]);
});

test("replaces an entry when its request moves on, and never changes it", async () => {
  const server = createServer();
  server.signIn();

  const call = refresh(server, "r0");
  const before = [...server.log];
  await call;

  expect(before[1]).toMatchObject({ outcome: "untouched", status: "pending", answered: undefined });
  expect(server.log[1]).toMatchObject({ outcome: "rotated", status: 200, answered: 2 });
});

test("says when the log is as the test wants it", async () => {
  const server = createServer();
  server.signIn();
  const twoArrived = server.when((log) => entriesAt(log, "resource").length === 2);

  void get(server, "/me", "a0");
  expect(await Promise.race([twoArrived, Promise.resolve("waiting")])).toBe("waiting");
  void get(server, "/me", "a0");

  await expect(twoArrived).resolves.toBeUndefined();
  await expect(server.when(() => true)).resolves.toBeUndefined();
});

test("asks no more once the log was as the test wanted it", async () => {
  const server = createServer();
  const asked: number[] = [];

  await server.when(({ length }) => asked.push(length) > 0);
  server.signIn();

  expect(asked).toStrictEqual([0]);
});
