import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { SessionOptions } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { expect, test, vi } from "vitest";
import { createSharedStore, rejects } from "./shared-store.ts";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

/** Runs a module in a process of its own, on the real clock; resolves with what it printed once it has ended by itself. */
async function run(source: string): Promise<string> {
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  const flags = [
    "--conditions=@freshtoken/source",
    "--disable-warning=ExperimentalWarning",
    "--input-type=module",
  ];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, "--eval", source], {
    cwd,
    timeout: 15_000,
  });
  return stdout + stderr;
}

const never = "() => new Promise(() => {})";
const code = "({ code }) => console.log(code)";
const session = (options: string) => `
  import { createSession, memoryStore } from "@freshtoken/core";
  const a0 = { accessToken: "a0", refreshToken: "r0" };
  const session = createSession({ refreshTimeout: 60_000, ${options} });
`;

test("changes nothing by being imported", async () => {
  const printed = await run(`
    const events = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]);
    const shot = () => JSON.stringify([Reflect.ownKeys(globalThis).map(String), events()]);
    const before = shot();
    await import("@freshtoken/core");
    const idle = process.getActiveResourcesInfo().filter((name) => /Timer|Timeout|Immediate|Port|TCP/.test(name));
    console.log(before === shot(), idle.length);
  `);

  expect(printed).toBe("true 0\n");
});

test.each<[string, string]>([
  ["a session is open", `${session(`refresh: ${never}`)} await session.signIn(a0);`],
  [
    "a save waits to be tried again",
    `${session(`refresh: ${never}, store: { load: () => null, save: () => Promise.reject(new Error("full")) }`)} await session.signIn(a0);`,
  ],
  [
    "an ageing token is refreshed in the background",
    `${session(`refresh: ${never}`)}
    await session.signIn({ ...a0, issuedAt: Date.now() - 3_550_000, expiresAt: Date.now() + 50_000 });
    await session.tokens();`,
  ],
  ["a load hangs that nobody waits for", session(`refresh: ${never}, store: { load: ${never}, save() {} }`)],
  [
    "a revocation hangs",
    `${session(`refresh: ${never}, revoke: ${never}`)} await session.signIn(a0); await session.signOut();`,
  ],
  [
    "whoever waited has given up",
    `${session(`refresh: ${never}`)}
    await session.signIn(a0);
    const controller = new AbortController();
    const refreshed = session.refresh({ signal: controller.signal }).catch(() => {});
    controller.abort();
    await refreshed;`,
  ],
  [
    "a round is cooling down",
    `${session("refresh: async () => Response.json({ error: 'invalid_scope' }, { status: 400 })")}
    await session.signIn(a0);
    await session.refresh().catch(() => {});`,
  ],
])("does not keep a process alive when %s", async (_, source) => {
  expect(await run(source)).toBe("");
});

const hanging = `{ load: () => null, save: ${never} }`;

test.each<[string, string, string]>([
  [
    "a back-off",
    `${session("refresh: async ({ attempt }) => attempt === 1 ? new Response(null, { status: 503 }) : { access_token: 'a1' }")}
    await session.signIn(a0);
    console.log((await session.refresh()).accessToken);`,
    "a1",
  ],
  [
    "an attempt that hangs",
    `${session(`refreshAttempts: 1, refresh: ${never}, refreshTimeout: 50`)}
    await session.signIn(a0);
    await session.refresh().catch(${code});`,
    "ERR_REFRESH_FAILED",
  ],
  [
    "a load that hangs",
    `${session(`refresh: ${never}, refreshTimeout: 50, store: { load: ${never}, save() {} }`)}
    await session.tokens().catch(${code});`,
    "ERR_REFRESH_FAILED",
  ],
  [
    "an exclusive section",
    `${session(`refresh: ${never}, refreshTimeout: 50, store: { ...memoryStore(), exclusive: ${never} }`)}
    await session.signIn(a0);
    await session.refresh().catch(${code});`,
    "ERR_REFRESH_FAILED",
  ],
  [
    "a sign-in whose save hangs",
    `${session(`refresh: ${never}, refreshTimeout: 50, store: ${hanging}`)}
    await session.signIn(a0);
    console.log("signed in");`,
    "signed in",
  ],
  [
    "a sign-out whose save hangs",
    `${session(`refresh: ${never}, refreshTimeout: 50, tokens: { accessToken: "a0" }, store: ${hanging}`)}
    await session.signOut();
    console.log("signed out");`,
    "signed out",
  ],
  [
    "a close that waits for an attempt",
    `${session(`refreshAttempts: 1, refresh: ${never}, refreshTimeout: 50`)}
    await session.signIn(a0);
    session.refresh().catch(() => {});
    await session.close();
    console.log("closed");`,
    "closed",
  ],
  [
    "a held request",
    `${session(`refreshAttempts: 1, refresh: ${never}, refreshTimeout: 50`)}
    await session.signIn({ ...a0, expiresAt: 1 });
    await session.connect({ origins: ["https://server.test"] }).hold().catch(${code});`,
    "ERR_REFRESH_FAILED",
  ],
])("keeps a process alive while somebody waits for %s", async (_, source, printed) => {
  expect(await run(source)).toBe(`${printed}\n`);
});

test("leaves no rejection unhandled when everything fails and nobody waits", async () => {
  const printed = await run(`${session(`
    refreshTimeout: 20,
    refresh: () => Promise.reject(new Error("down")),
    revoke: () => Promise.reject(new Error("down")),
    waitUntil() { throw new Error("down"); },
    store: {
      load: () => Promise.reject(new Error("down")),
      save: () => Promise.reject(new Error("down")),
      exclusive: () => Promise.reject(new Error("down")),
      subscribe(changed) { setTimeout(changed, 5); return () => {}; },
    },
    `)}
    session.subscribe(() => Promise.reject(new Error("mine")));
    await session.signIn({ ...a0, issuedAt: Date.now() - 3_550_000, expiresAt: Date.now() + 50_000 });
    await session.tokens();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await session.signOut();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await session.close();
  `);

  expect(printed).toBe("");
});

test("is not harmed, nor is any other listener, by a listener that throws", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  const heard: string[] = [];
  session.subscribe(() => {
    throw new Error("mine");
  });
  session.subscribe(() => Promise.reject(new Error("mine")) as never);
  session.subscribe(({ type }) => heard.push(type));

  await session.signIn(server.signIn());
  server.expire();
  const { status } = await clientOf(session, server)("/me");

  expect(status).toBe(200);
  expect(heard).toStrictEqual(["loaded", "signedIn", "refreshStarted", "refreshed", "replayed"]);
});

const boom = (): never => {
  throw new Error("mine");
};

test.each<[string, Partial<SessionOptions>]>([
  ["revoke", { revoke: boom }],
  ["waitUntil", { waitUntil: boom }],
  ["waitUntil (a promise)", { waitUntil: async () => boom() }],
  ["isRejection", { isRejection: boom }],
])("is not harmed by a %s that throws", async (_, options) => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock(), ...options });
  await session.signIn(server.signIn());
  server.next("token", { error: "invalid_scope" });
  await session.refresh().catch(() => {});

  const tokens = await session.refresh();
  await session.signOut();
  await settled();

  expect([tokens.accessToken, session.state]).toStrictEqual(["a1", { status: "signedOut" }]);
});

test("tells its listeners after the state has settled", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  const seen: unknown[] = [];
  await settled();
  session.subscribe(({ type }) => {
    const { status, refreshing } = session.state as { status: string; refreshing?: boolean };
    seen.push([type, status, refreshing]);
  });

  await session.signIn(server.signIn());
  await session.refresh();
  await session.signOut();

  expect(seen).toStrictEqual([
    ["signedIn", "signedIn", false],
    ["refreshStarted", "signedIn", true],
    ["refreshed", "signedIn", false],
    ["signedOut", "signedOut", undefined],
  ]);
});

test("tells events in order, also those that a listener sets off", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  const heard: string[] = [];
  session.subscribe(({ type }) => {
    if (type === "signedIn") void session.signOut();
  });
  session.subscribe(({ type }) => heard.push(type));

  await session.signIn(server.signIn());
  await settled();

  expect(heard).toStrictEqual(["loaded", "signedIn", "signedOut"]);
});

test("tells how its own round ended outside the exclusive section", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  session.subscribe(({ type }) => shared.log.push(type));

  await session.refresh();
  server.withdraw();
  await session.refresh().catch(() => {});
  await settled();

  const told = shared.log.filter((line) => /^(?:enter|leave|refreshed|signedOut)$/.test(line));
  expect(told).toStrictEqual(["enter", "leave", "refreshed", "enter", "leave", "signedOut"]);
});

test("tells what its round found of another outside the exclusive section", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  session.subscribe(({ type }) => shared.log.push(type));
  const tokens = { accessToken: "a1", refreshToken: "r1" };
  shared.held = { family: shared.held?.family ?? "", generation: 1, tokens };

  await session.refresh();
  await settled();
  shared.held = null;
  await session.refresh().catch(() => {});
  await settled();

  const told = shared.log.filter((line) => /^(?:enter|leave|refreshed|signedOut)$/.test(line));
  expect(told).toStrictEqual(["enter", "leave", "refreshed", "enter", "leave", "signedOut"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 0 });
});

test("revokes outside the exclusive section", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const revoke = async () => void shared.log.push("revoke");
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer(), revoke });
  await session.signIn(server.signIn());
  const gate = server.gate("token", "answer");
  const refreshed = session.refresh().catch(() => {});
  await gate.reached(1);

  await session.signOut();
  gate.open();
  await refreshed;
  await settled();

  const told = shared.log.filter((line) => /^(?:enter|leave|revoke)$/.test(line));
  expect(told).toStrictEqual(["enter", "leave", "revoke", "revoke"]);
});

test("is not told of by one that has unsubscribed, nor stopped by its leaving", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  const heard: string[] = [];
  await settled();
  const stop = session.subscribe(() => {
    heard.push("first");
    stop();
  });
  session.subscribe(() => heard.push("second"));

  await session.signIn(server.signIn());
  await session.signOut();

  expect(heard).toStrictEqual(["first", "second", "second"]);
});

test("gives waitUntil the rounds and the revocations, which never reject", async () => {
  const [server, work] = [createServer(), [] as Promise<unknown>[]];
  const options = {
    clock: createClock(),
    waitUntil: (promise: Promise<unknown>) => void work.push(promise),
    revoke: () => Promise.reject(new Error("no")),
  };
  const { session } = sessionOn(server, options);
  await session.signIn(server.signIn());

  await session.refresh();
  await session.signOut();
  const ends = await Promise.allSettled(work);

  expect(ends.map(({ status }) => status)).toStrictEqual(["fulfilled", "fulfilled"]);
  expect(ledger(server.log).refreshes).toBe(1);
});

test("goes quiet once everything is at rest", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  shared.next("save", rejects);
  await session.signIn(server.signIn());
  server.next("token", { status: 503 });
  const refreshed = session.refresh();

  await clock.advance(60_000);

  expect((await refreshed).accessToken).toBe("a1");
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("is kept alive for as long as a timer can be set, and by that timer alone", async () => {
  const clock = createClock();
  const timer = vi.spyOn(clock, "timer");
  const { session } = sessionOn(createServer(), { clock, refresh: () => new Promise(() => {}) });
  await session.signIn({ accessToken: "a0" });
  timer.mockClear();

  session.refresh().catch(() => {});
  await settled();

  const lasting = timer.mock.calls.filter(([, , keepAlive]) => keepAlive).map(([, ms]) => ms);
  expect(lasting).toStrictEqual([2 ** 31 - 1]);
});
