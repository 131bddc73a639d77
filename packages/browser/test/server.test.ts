import { spawnSync } from "node:child_process";
import { createSession } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { createServer, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { type BrowserStoreOptions, browserStore } from "../src/index.ts";

test("renders on a server: nobody is signed in, and nothing is said", async () => {
  const events: string[] = [];
  const session = createSession({ refresh: async () => null, store: browserStore({ name: "main" }) });
  session.subscribe(({ type }) => events.push(type));
  await session.loaded;

  await session.close();

  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect(events).toStrictEqual(["loaded"]);
});

test("keeps a session in memory where there is no browser, and says so once", async () => {
  const server = createServer();
  const events: string[] = [];
  const session = createSession({
    refresh: ({ refreshToken }) =>
      server.fetch("/token", {
        method: "POST",
        body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      }),
    store: browserStore({ name: "main" }),
  });
  session.subscribe(({ type }) => events.push(type));
  const authorized = sessionFetch(session, { fetch: server.fetch, origins: [server.origin] });
  await session.signIn(server.signIn());

  for (let expiry = 0; expiry < 2; expiry++) {
    server.expire();
    const answers = await Promise.all(Array.from({ length: 3 }, () => authorized(`${server.origin}/me`)));
    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200]);
  }

  expect(events.filter((type) => type === "storeFailed")).toHaveLength(1);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, reuses: 0 });
  await session.signOut();
  expect(session.state).toStrictEqual({ status: "signedOut" });
  await session.close();
});

test("changes nothing by being imported, and keeps no process alive", () => {
  const program = `
    const before = Object.getOwnPropertyNames(globalThis).length;
    const { browserStore } = await import("@freshtoken/browser");
    const { createSession } = await import("@freshtoken/core");
    console.log(Object.getOwnPropertyNames(globalThis).length - before);
    const session = createSession({ refresh: async () => null, store: browserStore({ name: "main" }) });
    await session.signIn({ accessToken: "a0" });
    console.log(session.state.status);
  `;

  expect(run(program)).toStrictEqual([0, "0\nsignedIn\n", ""]);
});

test.each<[string, unknown]>([
  ["no name", {}],
  ["an empty name", { name: "" }],
  ["a name that is none", { name: 7 }],
  ["a lease of 0", { name: "main", lease: 0 }],
  ["a lease that is a text", { name: "main", lease: "5000" }],
  ["a lease without end", { name: "main", lease: Number.POSITIVE_INFINITY }],
  ["a section that is no number", { name: "main", longestSection: Number.NaN }],
  ["a section without end", { name: "main", longestSection: Number.POSITIVE_INFINITY }],
  ["a section that no timer can take", { name: "main", longestSection: 2 ** 31 }],
  ["a section that is a text", { name: "main", longestSection: "60000" }],
])("refuses %s at once, and says which option it is and what arrived", (_, options) => {
  const [option, value] = Object.entries({ name: undefined, ...(options as object) }).at(-1) ?? [];
  const message = `${option} cannot be ${value}`;
  expect(() => browserStore(options as BrowserStoreOptions)).toThrow(new TypeError(message));
});

test("takes the longest time that a timer can", () => {
  const longest = 2 ** 31 - 1;
  expect(browserStore({ name: "main", longestSection: longest, lease: longest })).toBeTypeOf("object");
});

test("takes no turns on a server: the users of one process do not wait for each other", async () => {
  const stores = [browserStore({ name: "main" }), browserStore({ name: "main" })];
  const { signal } = new AbortController();
  const [first, second] = stores.map(
    (store) => (task: () => Promise<unknown>) => store.exclusive(task, { signal }),
  );

  // The first ends only once the second has had its turn.
  await first?.(async () => second?.(async () => {}));
});

test("opens no channel on a server, and none that keeps a process alive where something stands for the database", () => {
  const program = `
    let opened = 0;
    globalThis.BroadcastChannel = class extends BroadcastChannel {
      constructor(name) {
        super(name);
        opened++;
      }
    };
    const { browserStore } = await import("@freshtoken/browser");
    browserStore({ name: "main" }).subscribe(() => {});
    console.log(opened);
    globalThis.indexedDB = {};
    browserStore({ name: "main" }).subscribe(() => {});
    console.log(opened);
  `;

  expect(run(program)).toStrictEqual([0, "0\n1\n", ""]);
});

function run(program: string) {
  const args = ["--conditions=@freshtoken/source", "--input-type=module", "--eval", program];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: `${import.meta.dirname}/..`,
    encoding: "utf8",
    timeout: 15_000,
  });
  return [status, stdout, stderr];
}
