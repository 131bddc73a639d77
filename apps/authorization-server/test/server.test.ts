import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { signIn, startAuthorizationServer } from "../src/index.ts";
import { call, signedIn } from "./token-endpoint.ts";

const portOf = (origin: string) => Number(new URL(origin).port);

test.each(["port", "apiPort"])("says in one line that the %s is in use", async (option) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;

  const started = startAuthorizationServer({ [option]: port });

  await expect(started).rejects.toThrow(
    new Error(`The port ${port} is in use. Choose another with the option ${option}.`),
  );
  other.close();
});

test("leaves nothing running when the second port is in use", async () => {
  await using first = await startAuthorizationServer();
  const port = await freePort();

  await startAuthorizationServer({ port, apiPort: portOf(first.api) }).catch(() => {});

  await using second = await startAuthorizationServer({ port });
  expect(portOf(second.issuer)).toBe(port);
});

test("frees both ports when it closes", async () => {
  const first = await startAuthorizationServer();
  await signIn(first, { account: "alice" });
  await first.close();

  await using second = await startAuthorizationServer({
    port: portOf(first.issuer),
    apiPort: portOf(first.api),
  });

  expect([second.issuer, second.api]).toStrictEqual([first.issuer, first.api]);
});

test("ends what is still being answered when it closes", async () => {
  const server = await startAuthorizationServer();
  const { a0 } = await signedIn(server, "alice");
  const slow = call(server, "/slow?ms=60000", a0).catch((error: Error) => error.message);
  await delay(50);
  const closedAt = performance.now();

  await server.close();

  expect(await slow).toBe("fetch failed");
  expect(performance.now() - closedAt).toBeLessThan(1_000);
});

test("stays quiet when a client goes away in the middle of a token request", async () => {
  await using server = await startAuthorizationServer();
  const socket = connect(portOf(server.issuer), "127.0.0.1");
  socket.write("POST /token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n");
  socket.end("content-length: 100\r\n\r\ngrant_type=refresh_token");

  await once(socket.resume(), "close");

  expect((await signIn(server, { account: "alice" })).token_type).toBe("bearer");
});

test.each(["/stream?ms=1000", "/slow?ms=1000"])("stays quiet when a client leaves %s", async (path) => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const { a0 } = await signedIn(server, "alice");
  const leaving = new AbortController();
  const answer = call(server, path, a0, { signal: leaving.signal }).then((response) => response.text());

  setTimeout(() => leaving.abort(), 100);

  await expect(answer).rejects.toThrow("This operation was aborted");
  expect((await call(server, "/me", a0)).status).toBe(200);
});

test("closes once, however often it is asked", async () => {
  const server = await startAuthorizationServer();

  await Promise.all([server.close(), server.close()]);

  await expect(server.close()).resolves.toBeUndefined();
});

test("gives every server keys, clients and records of its own", async () => {
  await using first = await startAuthorizationServer({ accessTokenLifetime: 60 });
  await using second = await startAuthorizationServer({ accessTokenLifetime: 60 });

  const { a0 } = await signedIn(first, "alice");

  expect((await call(second, "/me", a0)).status).toBe(401);
  expect(second.ledger).toStrictEqual({ presentations: [], revocations: [] });
});

test.each([0, -1, 1.5, Number.NaN, Infinity])("refuses an access token lifetime of %d s", async (seconds) => {
  await expect(startAuthorizationServer({ accessTokenLifetime: seconds })).rejects.toThrow(
    new TypeError(`accessTokenLifetime must be a whole number of seconds from 1, not ${seconds}.`),
  );
});

async function freePort(): Promise<number> {
  await using server = await startAuthorizationServer();
  return portOf(server.issuer);
}
