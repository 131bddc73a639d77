import { expect, test } from "vitest";
import { entriesAt, ledger } from "../src/index.ts";
import { host } from "../src/node.ts";
import { openServer, type RemoteGate, type RemoteServer } from "../src/remote.ts";
import { get, refresh, wholeOf } from "./requests.ts";

const platform = { fetch: (url: string, init?: RequestInit) => fetch(url, init) };
const me = ({ origin }: RemoteServer, token?: string) => get(platform, `${origin}/me`, token);
const statusOf = async (answer: Promise<Response>) => (await answer).status;

test("opens servers that know nothing of each other", async () => {
  await using desk = await host();
  const [one, other] = [await openServer(desk.url), await openServer(desk.url)];
  await one.signIn();

  expect(await statusOf(me(one, "a0"))).toBe(200);
  expect(await statusOf(me(other, "a0"))).toBe(401);
  expect(one.origin).not.toBe(other.origin);
  expect([(await one.log()).length, (await other.log()).length]).toStrictEqual([2, 1]);
});

test("opens a server as it is told to", async () => {
  await using desk = await host();
  const server = await openServer(desk.url, { expiresIn: 60, rotate: false, secret: true });

  const { access_token, expires_in, refresh_token = "" } = await server.signIn();
  const refreshed = await (await refresh(platform, refresh_token, server.origin)).json();

  expect([access_token.split(".").length, expires_in]).toStrictEqual([3, 60]);
  expect(refreshed).not.toHaveProperty("refresh_token");
});

test("signs in, expires and withdraws over the wire", async () => {
  await using desk = await host();
  const server = await openServer(desk.url);

  expect(await server.signIn()).toStrictEqual({
    access_token: "a0",
    token_type: "Bearer",
    refresh_token: "r0",
  });
  await server.expire();
  expect(await statusOf(me(server, "a0"))).toBe(401);
  await server.withdraw();
  expect(await wholeOf(refresh(platform, "r0", server.origin))).toStrictEqual([
    400,
    { error: "invalid_grant" },
  ]);
});

test("takes faults for the next requests, and for every one", async () => {
  await using desk = await host();
  const server = await openServer(desk.url);
  await server.next("/me", { status: 503 }, { status: 204, times: 2 });
  await server.always("/me", { json: { on: "and on" } });

  const answers = [await me(server), await me(server), await me(server), await me(server), await me(server)];

  expect(answers.map(({ status }) => status)).toStrictEqual([503, 204, 204, 200, 200]);
  expect(await answers[4]?.json()).toStrictEqual({ on: "and on" });
});

test("holds requests, or their answers, at gates that are opened over the wire", async () => {
  await using desk = await host();
  const server = await openServer(desk.url);
  await server.signIn();
  const [requests, answers] = [await server.gate("/me"), await server.gate("/me", "answer")];

  const calls = [me(server, "a0"), me(server, "a0")];
  await requests.reached(2);
  await requests.step();
  await answers.reached(1);
  await server.expire();
  await answers.open();
  await requests.open();

  expect((await Promise.all(calls.map(statusOf))).sort()).toStrictEqual([200, 401]);
});

test("tells when no request is pending", async () => {
  await using desk = await host();
  const server = await openServer(desk.url);
  const gate = await server.gate("/me");
  const call = me(server);
  await gate.reached(1);

  const quiet = server.quiet().then(() => server.log());
  await gate.open();

  expect(ledger(await quiet)).toMatchObject({ requests: 1, unanswered: 0 });
  await call;
});

test("tells its log with the bodies as they came", async () => {
  await using desk = await host();
  const server = await openServer(desk.url);
  const body = Uint8Array.from({ length: 256 }, (_, index) => index);

  await fetch(`${server.origin}/me`, { method: "POST", body });

  expect(entriesAt(await server.log(), "resource").map(({ body }) => body)).toStrictEqual([body]);
});

test("frees the port of a server that closes, and knows it no more", async () => {
  await using desk = await host();
  const server = await openServer(desk.url);

  await server.close();

  await expect(me(server)).rejects.toThrow("fetch failed");
  await expect(server.log()).rejects.toThrow("The host has no server 0: it was closed, or never opened");
});

test.each<[string, (server: RemoteServer, gate: RemoteGate) => Promise<void>]>([
  ["a gate", (_, gate) => gate.reached(2)],
  ["quiet", (server) => server.quiet()],
])("keeps nobody waiting for %s when a server closes", async (_, wait) => {
  await using desk = await host();
  const server = await openServer(desk.url);
  const gate = await server.gate("/me");
  const call = me(server).catch(() => {});
  await gate.reached(1);

  const waiting = expect(wait(server, gate)).rejects.toThrow(
    "The host closed server 0 before what was waited for",
  );
  await server.log();
  await server.close();

  await Promise.all([waiting, call]);
});

test("closes with every server that is open, and frees their ports", async () => {
  const desk = await host();
  const servers = [await openServer(desk.url), await openServer(desk.url)];
  await servers[0]?.close();

  await desk.close();

  for (const server of servers) await expect(me(server)).rejects.toThrow("fetch failed");
  await expect(openServer(desk.url)).rejects.toThrow("fetch failed");
});

test("lets pages of any origin in, at the desk and at its servers", async () => {
  await using desk = await host();
  const server = await openServer(desk.url);
  const headers = { origin: "https://page.test" };

  const answers = [await fetch(desk.url, { headers }), await fetch(server.origin, { headers })];

  expect(answers.map(({ headers }) => headers.get("access-control-allow-origin"))).toStrictEqual(
    Array(2).fill("https://page.test"),
  );
  expect(answers[1]?.headers.get("access-control-expose-headers")).toBe("www-authenticate");
});
