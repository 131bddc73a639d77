// What a session costs, as ratios within one run: against the bare client, and against itself at another size.
import { createSession, memoryStore, sessionPool } from "../packages/core/dist/index.js";
import { sessionFetch } from "../packages/fetch/dist/index.js";

const url = "https://api.example.com/me";
const answer = new Response(null, { status: 204 });
const bare = () => Promise.resolve(answer);
// What any adapter has to do: read the caller's fields, and set one.
const setting = (input, init) => {
  const headers = new Headers(init?.headers);
  headers.set("authorization", "Bearer a0");
  return bare(input, { ...init, headers });
};

function open(expiresIn) {
  let answered = () => {};
  const session = createSession({
    refresh: () =>
      new Promise((resolve) => {
        answered = () => resolve({ access_token: "a1", refresh_token: "r1", expires_in: 3600 });
      }),
  });
  const authorized = sessionFetch(session, { fetch: bare, origins: ["https://api.example.com"] });
  const tokens = { accessToken: "a0", refreshToken: "r0", expiresAt: Date.now() + expiresIn };
  return { session, authorized, ready: session.signIn(tokens), answer: () => answered() };
}

async function perCall(call, count) {
  const began = process.hrtime.bigint();
  for (let i = 0; i < count; i++) await call(url);
  return Number(process.hrtime.bigint() - began) / count;
}

async function fresh(rounds = 9, count = 20_000) {
  const { authorized, ready } = open(3_600_000);
  await ready;
  const samples = { "bare fetch": [], "one field set": [], sessionFetch: [] };
  const calls = { "bare fetch": bare, "one field set": setting, sessionFetch: authorized };
  for (let round = 0; round <= rounds; round++) {
    for (const [name, call] of Object.entries(calls)) {
      const ns = await perCall(call, count);
      if (round > 0) samples[name].push(ns);
    }
  }
  return Object.fromEntries(Object.entries(samples).map(([name, all]) => [name, median(all)]));
}

async function held(count) {
  const opened = open(-1000);
  await opened.ready;
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const began = process.hrtime.bigint();
  const calls = Array.from({ length: count }, () => opened.authorized(url));
  await new Promise(setImmediate);
  const waiting = (process.memoryUsage().heapUsed - before) / count;
  opened.answer();
  await Promise.all(calls);
  return { us: Number(process.hrtime.bigint() - began) / count / 1000, bytes: waiting };
}

function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

const path = await fresh();
console.log("A request with a fresh token, transport left out (median of 9 × 20,000):");
for (const [name, ns] of Object.entries(path)) {
  console.log(
    `  ${name.padEnd(16)} ${(ns / 1000).toFixed(2).padStart(7)} µs   ${(ns / path["bare fetch"]).toFixed(1)} ×`,
  );
}

await held(1_000);
const sizes = [1_000, 10_000, 100_000];
console.log("Held through one refresh:");
for (const count of sizes) {
  const runs = [await held(count), await held(count), await held(count)];
  const us = median(runs.map((run) => run.us));
  const bytes = median(runs.map((run) => run.bytes));
  console.log(
    `  ${String(count).padStart(7)} requests ${us.toFixed(2).padStart(7)} µs each  ${Math.round(bytes)} bytes each while held`,
  );
}

async function idle(count) {
  const stores = Array.from({ length: count }, () => memoryStore());
  const pool = sessionPool({
    options: (id) => ({ refresh: async () => null, store: stores[id] }),
    max: count,
  });
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  for (let id = 0; id < count; id++)
    await pool.get(String(id)).signIn({ accessToken: `a${id}`, refreshToken: `r${id}` });
  globalThis.gc();
  return (process.memoryUsage().heapUsed - before) / pool.size;
}

console.log(`Idle in a pool of 100,000, signed in: ${Math.round(await idle(100_000))} bytes each`);
