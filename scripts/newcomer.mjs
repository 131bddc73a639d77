// Does what a newcomer does: copies the first example of @freshtoken/oauth into an empty project that has the tarballs,
// signs in at the sample server, and stays signed in for ten expiries.
//   node scripts/newcomer.mjs [a project with the tarballs in its node_modules]
import { deepStrictEqual, ok } from "node:assert";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { follow, startAuthorizationServer } from "../apps/authorization-server/src/index.ts";
import { packed } from "./packed.mjs";

const EXPIRIES = 10;
const REQUESTS = 10;
const LIFETIME = 2; // seconds, of which the server cuts off up to one
const README = "packages/oauth/README.md";
const [project = packed().folder] = process.argv.slice(2);

// The example to the letter, but for these four: each has to stand in it once.
function example({ issuer, clientId, redirectUri, api }) {
  const [, code = ""] = /^```ts\n([\s\S]*?)^```/m.exec(readFileSync(README, "utf8")) ?? [];
  const registration = [
    ["https://login.example.com", issuer],
    ["spa", clientId],
    ["https://app.example.com/callback", redirectUri],
    ["https://api.example.com", api],
  ];
  return registration.reduce((text, [found, replacement]) => {
    const parts = text.split(JSON.stringify(found));
    if (parts.length !== 2) throw new Error(`the first example of ${README} does not say "${found}" once`);
    return parts.join(JSON.stringify(replacement));
  }, code);
}

function write(name, content) {
  writeFileSync(join(project, name), content);
}

function compile() {
  const compilerOptions = { target: "es2022", module: "nodenext", lib: ["es2022", "dom"], strict: true };
  const quiet = { noEmit: true, skipLibCheck: true, types: [] };
  write("tsconfig.json", JSON.stringify({ compilerOptions: { ...compilerOptions, ...quiet } }));
  const args = [resolve("node_modules/typescript/bin/tsc"), "-p", project, "--pretty", "false"];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the first example of ${README} does not compile:\n${stdout}`);
}

// As much of a browser as the example asks for: one tab, and what is stored for it.
function openTab(start) {
  const stored = new Map();
  let address = new URL(start);
  let asked;
  const globals = {
    location: {
      get href() {
        return address.href;
      },
      get pathname() {
        return address.pathname;
      },
      get search() {
        return address.search;
      },
      get hash() {
        return address.hash;
      },
      assign(url) {
        asked = new URL(url, address);
      },
    },
    sessionStorage: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => void stored.set(key, String(value)),
      removeItem: (key) => void stored.delete(key),
    },
    history: {
      replaceState(_state, _unused, url) {
        address = new URL(url, address);
      },
    },
  };
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  return {
    stored,
    get address() {
      return address.href;
    },
    // Goes where the page sent it, as alice, and on to where she is sent back to.
    async leave(redirectUri) {
      if (!asked) throw new Error("signIn() sends the browser nowhere");
      asked.searchParams.set("login_hint", "alice");
      address = await follow(asked, redirectUri);
    },
  };
}

// Each page of the tab has an application of its own.
function load(page) {
  return import(`${pathToFileURL(join(project, "application.ts"))}?page=${page}`);
}

// Until the next second begins, so that a token lives as long as it can.
function nextSecond() {
  return delay(1_000 - (Date.now() % 1_000));
}

async function expiry(session, authorized, api) {
  await delay(Math.max(0, session.state.tokens.expiresAt - Date.now()));
  const paths = Array.from({ length: REQUESTS }, (_, number) => `/me?request=${number}`);
  const bodies = await Promise.all(paths.map(async (path) => (await authorized(api + path)).json()));
  deepStrictEqual(
    bodies,
    paths.map((path) => ({ account: "alice", path })),
  );
}

async function revoked({ revocations }) {
  for (let wait = 0; wait < 100 && revocations.length === 0; wait += 1) await delay(50);
  return revocations;
}

await using server = await startAuthorizationServer({ accessTokenLifetime: LIFETIME });
write("package.json", JSON.stringify({ private: true, type: "module" }));
write("application.ts", example(server));
compile();

const start = `${new URL(server.redirectUri).origin}/orders?page=2#last`;
const tab = openTab(start);
await (await load(1)).signIn();
await tab.leave(server.redirectUri);
const { session, authorized, signedIn } = await load(2);
await nextSecond();
await signedIn();
deepStrictEqual(
  { address: tab.address, stored: [...tab.stored.keys()], status: session.state.status },
  { address: start, stored: [], status: "signedIn" },
);

for (let number = 0; number < EXPIRIES; number += 1) await expiry(session, authorized, server.api);
await session.signOut();

deepStrictEqual(await revoked(server.ledger), [{ family: 1, because: "request" }]);
const { presentations } = server.ledger;
deepStrictEqual(
  presentations.map(({ token, again, outcome }) => ({ token, again, outcome })),
  presentations.map((_, index) => ({ token: index + 1, again: false, outcome: "rotated" })),
);
// A machine that stalls lets a token die in the middle of a burst, and another refresh is right then.
ok(
  EXPIRIES <= presentations.length && presentations.length <= 2 * EXPIRIES,
  `${presentations.length} refreshes`,
);
console.log(
  `${EXPIRIES * REQUESTS} requests answered over ${EXPIRIES} expiries, ${presentations.length} refreshes`,
);
