import { expect, test } from "vitest";
import { createGate, createServer, entriesAt } from "../src/index.ts";
import { get, refresh } from "./requests.ts";

test("holds requests before the server acts on them, until the gate opens", async () => {
  const server = createServer();
  server.signIn();
  const gate = server.gate("/me");

  const calls = [get(server, "/me", "a0"), get(server, "/me", "a0")];
  await gate.reached(2);
  server.expire();
  gate.open();
  const answers = await Promise.all([...calls, get(server, "/me", "a0")]);

  expect(answers.map(({ status }) => status)).toStrictEqual([401, 401, 401]);
});

test("holds answers that are given already, until the gate opens", async () => {
  const server = createServer();
  server.signIn();
  const gate = server.gate("/me", "answer");

  const call = get(server, "/me", "a0");
  await gate.reached(1);
  server.expire();
  gate.open();

  expect((await call).status).toBe(200);
});

test("lets requests through in the order they came, as many as the test says", async () => {
  const server = createServer();
  const gate = server.gate("resource");
  const calls = ["/1", "/2", "/3"].map((path) => get(server, path));
  await gate.reached(3);

  gate.step();
  await calls[0];
  expect(gate.waiting).toBe(2);
  gate.step(5);
  await Promise.all(calls);

  const order = entriesAt(server.log, "resource").sort((a, b) => Number(a.answered) - Number(b.answered));
  expect(order.map(({ path }) => path)).toStrictEqual(["/1", "/2", "/3"]);
});

test("keeps no step for requests that come later", async () => {
  const server = createServer();
  const gate = server.gate("/me");

  gate.step(3);
  const call = get(server, "/me");
  await gate.reached(1);

  expect(gate.waiting).toBe(1);
  gate.open();
  await call;
});

test("forgets a request that is aborted at the gate", async () => {
  const server = createServer();
  const gate = server.gate("/me");
  const controller = new AbortController();

  const call = get(server, "/me", "a0", controller.signal);
  await gate.reached(1);
  controller.abort(new Error("enough"));

  await expect(call).rejects.toThrow("enough");
  expect(gate.waiting).toBe(0);
});

test("lets no request hang that is aborted just as the gate opens", async () => {
  const server = createServer();
  const gate = server.gate("/me");
  server.next("/me", { hang: "before" });
  const controller = new AbortController();

  const call = get(server, "/me", "a0", controller.signal);
  gate.open();
  controller.abort(new Error("enough"));

  await expect(call).rejects.toThrow("enough");
});

test("turns away at the gate whoever comes with an aborted signal", async () => {
  const gate = createGate();

  await expect(gate.pass(AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  expect(gate.waiting).toBe(0);
});

test("holds a request that a fault befalls as well", async () => {
  const server = createServer();
  const gate = server.gate("token");
  server.next("token", { status: 503 });

  const call = refresh(server, "r0");
  await gate.reached(1);
  gate.open();

  expect((await call).status).toBe(503);
});

test("serves as the wait of a fault", async () => {
  const server = createServer();
  server.signIn();
  const gate = createGate();
  server.next("/me", { answerAfter: gate });

  const late = get(server, "/me", "a0");
  const prompt = await get(server, "/me", "a0");
  await gate.reached(1);
  gate.open();

  expect([prompt.status, (await late).status]).toStrictEqual([200, 200]);
});
