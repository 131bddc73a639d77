import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { createServer, entriesAt, ledger, type Server } from "../src/index.ts";
import { type Listener, type ListenOptions, listen } from "../src/node.ts";
import { get, refresh, wholeOf } from "./requests.ts";

const platform = { fetch: (url: string, init?: RequestInit) => fetch(url, init) };

function listening(options?: ListenOptions): Promise<[Server, Listener]> {
  const server = createServer();
  server.signIn();
  return listen(server, options).then((listener) => [server, listener]);
}

test("refuses, refreshes and answers over loopback", async () => {
  const [server, listener] = await listening();
  await using _ = listener;
  server.expire();

  expect((await get(platform, `${listener.origin}/me`, "a0")).status).toBe(401);
  expect((await refresh(platform, "r0", listener.origin)).status).toBe(200);
  expect(await wholeOf(get(platform, `${listener.origin}/me?x=1`, "a1"))).toStrictEqual([
    200,
    { method: "GET", path: "/me", search: "?x=1", family: 1, generation: 1, length: 0 },
  ]);
  expect(ledger(server.log)).toMatchObject({ refreshes: 1, reuses: 0, refusals: 1, answers: 1 });
});

test("reads a streamed request body byte for byte", async () => {
  const [server, listener] = await listening();
  await using _ = listener;
  const chunks = [new Uint8Array([0, 255]), new Uint8Array(100_000).fill(7), new Uint8Array([13, 10])];

  const init: RequestInit & { duplex: "half" } = { body: new Blob(chunks).stream(), duplex: "half" };
  const headers = { authorization: "Bearer a0" };

  await fetch(`${listener.origin}/up`, { ...init, method: "POST", headers });

  const body = entriesAt(server.log, "resource")[0]?.body ?? new Uint8Array();
  expect(Buffer.compare(body, Buffer.concat(chunks))).toBe(0);
});

test("sends a streamed answer as it comes", async () => {
  const [server, listener] = await listening();
  await using _ = listener;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  server.next("/stream", { body: readable });
  const writer = writable.getWriter();

  const response = await fetch(`${listener.origin}/stream`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const received: (string | undefined)[] = [];
  for (const word of ["one", "two"]) {
    await writer.write(new TextEncoder().encode(word));
    received.push((await reader?.read())?.value);
  }
  await writer.close();

  expect(received).toStrictEqual(["one", "two"]);
  expect(await reader?.read()).toStrictEqual({ done: true, value: undefined });
});

test.each(["before", "after"] as const)("resets the socket %s it acts", async (when) => {
  const [server, listener] = await listening();
  await using _ = listener;
  server.next("token", { reset: when });

  const failure = await refresh(platform, "r0", listener.origin).catch((error) => error);

  expect(failure).toMatchObject({ message: "fetch failed", cause: { code: "ECONNRESET" } });
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: when === "after" ? 1 : 0 });
});

test("breaks a streamed answer off in the middle", async () => {
  const [server, listener] = await listening();
  await using _ = listener;
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  server.next("/stream", { body: readable });
  const writer = writable.getWriter();

  const response = await fetch(`${listener.origin}/stream`);
  await writer.write(new Uint8Array([1]));
  await writer.abort(new Error("broken"));

  await expect(response.text()).rejects.toThrow("terminated");
});

test("notices that a client has gone", async () => {
  const [server, listener] = await listening();
  await using _ = listener;
  server.next("/me", { hang: "before" });
  const controller = new AbortController();

  const call = get(platform, `${listener.origin}/me`, "a0", controller.signal);
  await server.when((log) => entriesAt(log, "resource").length === 1);
  controller.abort();

  await expect(call).rejects.toMatchObject({ name: "AbortError" });
  await server.when((log) => entriesAt(log, "resource")[0]?.status === "aborted");
  await expect.poll(() => listener.open).toBe(0);
});

test("never says that it will close an idle connection", async () => {
  const [, listener] = await listening();
  await using _ = listener;

  expect((await fetch(`${listener.origin}/me`)).headers.get("keep-alive")).toBeNull();
});

test("listens on the IPv4 loopback alone", async () => {
  const [, listener] = await listening();
  await using _ = listener;
  const socket = connect(Number(new URL(listener.origin).port), "::1");

  const failure = await new Promise((resolve) => socket.on("error", resolve).on("connect", resolve));

  expect(failure).toBeInstanceOf(Error);
});

test("counts connections so far, and those open now", async () => {
  const [server, listener] = await listening();
  await using _ = listener;
  const gate = server.gate("/me");

  const calls = Array.from({ length: 3 }, () => get(platform, `${listener.origin}/me`, "a0"));
  await gate.reached(3);
  expect([listener.connections, listener.open]).toStrictEqual([3, 3]);
  gate.open();
  await Promise.all(calls.map(async (call) => (await call).text()));
  await listener.close();

  expect([listener.connections, listener.open]).toStrictEqual([3, 0]);
});

test("closes at once, whatever is pending, and frees its port", async () => {
  const [server, listener] = await listening();
  server.always("/me", { hang: "before" });
  const call = get(platform, `${listener.origin}/me`, "a0");
  await server.when((log) => entriesAt(log, "resource").length === 1);

  await listener.close();
  await listener.close();

  await expect(call).rejects.toThrow("fetch failed");
  const port = Number(new URL(listener.origin).port);
  await using again = await listen(server, { port });
  expect(again.origin).toBe(listener.origin);
});

test("rejects when its port is taken", async () => {
  const [server, listener] = await listening();
  await using _ = listener;

  const port = Number(new URL(listener.origin).port);

  await expect(listen(server, { port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("keeps repeated fields apart on the way out", async () => {
  const [server, listener] = await listening();
  await using _ = listener;
  const headers = new Headers([
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ]);
  server.next("/me", { alter: () => new Response(null, { status: 204, headers }) });

  const response = await fetch(`${listener.origin}/me`);

  expect(response.headers.getSetCookie()).toStrictEqual(["a=1", "b=2"]);
});

test("refuses a request that brings its token twice", async () => {
  const [server, listener] = await listening();
  await using _ = listener;

  const status = await new Promise((resolve) => {
    const headers = ["host", "a", "authorization", "Bearer a0", "authorization", "Bearer a0"];
    request(`${listener.origin}/me`, { headers }, (answer) => resolve(answer.resume().statusCode)).end();
  });

  expect(status).toBe(401);
  expect(entriesAt(server.log, "resource")[0]?.token).toBe("a0, Bearer a0");
});

test("resets a connection whose request no fetch handler can be given", async () => {
  const [, listener] = await listening();
  await using _ = listener;
  const socket = connect(Number(new URL(listener.origin).port), "127.0.0.1");

  socket.write("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n");

  const failure = await new Promise<unknown>((resolve) => socket.on("error", resolve));
  expect(failure).toMatchObject({ code: "ECONNRESET" });
});

test("answers preflights itself, and lets the page's origin in, when CORS is on", async () => {
  const [server, listener] = await listening({ cors: { expose: ["www-authenticate"] } });
  await using _ = listener;
  const asked = { "access-control-request-method": "PUT", "access-control-request-headers": "authorization" };

  const preflight = await fetch(`${listener.origin}/me`, {
    method: "OPTIONS",
    headers: { origin: "https://page.test", ...asked },
  });
  const options = await fetch(`${listener.origin}/me`, { method: "OPTIONS" });
  const answer = await fetch(`${listener.origin}/me`, { headers: { origin: "https://page.test" } });

  expect([preflight.status, options.status, answer.status]).toStrictEqual([204, 401, 401]);
  expect(corsFields(preflight)).toStrictEqual({
    "access-control-allow-credentials": "true",
    "access-control-allow-headers": "authorization",
    "access-control-allow-methods": "PUT",
    "access-control-allow-origin": "https://page.test",
    "access-control-expose-headers": "www-authenticate",
  });
  expect(corsFields(answer)).toMatchObject({ "access-control-expose-headers": "www-authenticate" });
  expect(corsFields(options)).toStrictEqual({});
  expect(ledger(server.log).requests).toBe(2);
});

test("exposes no field to pages unless told", async () => {
  const [, listener] = await listening({ cors: true });
  await using _ = listener;

  const answer = await fetch(`${listener.origin}/me`, { headers: { origin: "https://page.test" } });

  expect(corsFields(answer)).toStrictEqual({
    "access-control-allow-credentials": "true",
    "access-control-allow-origin": "https://page.test",
  });
});

test("says nothing about other origins when CORS is off", async () => {
  const [, listener] = await listening();
  await using _ = listener;

  const answer = await fetch(`${listener.origin}/me`, { headers: { origin: "https://page.test" } });

  expect(corsFields(answer)).toStrictEqual({});
});

function corsFields({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-")));
}

test.each([
  ["the main entry", "index.ts", []],
  ["the contract", "contract/index.ts", ["@freshtoken/core", "chai"]],
])("imports no module of Node, nor any test runner, into %s", (_, entry, packages) => {
  const source = new URL("../src/", import.meta.url);

  const imported = importedFrom(new URL(entry, source));

  expect([...imported].filter((name) => !name.startsWith(source.href)).sort()).toStrictEqual(packages);
});

/** Everything that a module imports, and what that imports: files as URLs, all else by name. */
function importedFrom(module: URL, seen = new Set<string>()): Set<string> {
  for (const [, name = ""] of readFileSync(module, "utf8").matchAll(/^(?:im|ex)port [^;]*from "(.+)"/gm)) {
    const file = name.startsWith(".") ? new URL(name, module) : undefined;
    if (seen.has(file?.href ?? name)) continue;
    seen.add(file?.href ?? name);
    if (file) importedFrom(file, seen);
  }
  return seen;
}
