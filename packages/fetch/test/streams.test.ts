import { createSession } from "@freshtoken/core";
import { createGate } from "@freshtoken/testing";
import { type Handler, listen } from "@freshtoken/testing/node";
import { describe, expect, onTestFinished, test } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { type Implementation, implementations, stage, text } from "./support.ts";

const encoder = new TextEncoder();

/** A session that is signed in where a handler of the test's own answers. */
async function open(via: Implementation, handler: Handler["fetch"]) {
  const { origin, close } = await listen({ fetch: handler });
  onTestFinished(close);
  const tokens = { accessToken: "a0" };
  const session = createSession({ refresh: async () => null, tokens, origins: [origin] });
  await session.loaded;
  await session.tokens();
  return { origin, authorized: sessionFetch(session, { fetch: via.fetch }) };
}

describe.each(implementations)("through $name", (via) => {
  test("lets the stream of a Request know that nobody reads it any more, once it is answered", async () => {
    const cancelled = createGate();
    const body = new ReadableStream({ cancel: () => cancelled.pass() });
    const unread: typeof fetch = async (input) => {
      void (input as Request).body?.cancel();
      return new via.Response();
    };
    const { origin, session } = await stage(via);
    const init = { method: "POST", body, duplex: "half" } as RequestInit;

    await sessionFetch(session, { fetch: unread })(new via.Request(origin, init));

    await cancelled.reached(1);
    cancelled.open();
  });

  test("passes a streaming answer on as it comes", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const { origin, authorized } = await open(via, async () => new Response(readable));

    const reader = (await authorized(origin)).body?.getReader();
    void writer.write(encoder.encode("first"));
    const first = await reader?.read();
    void writer.write(encoder.encode("last"));
    void writer.close();

    expect([text(first?.value), text((await reader?.read())?.value)]).toStrictEqual(["first", "last"]);
    expect(await reader?.read()).toStrictEqual({ done: true, value: undefined });
  });

  test("passes a streaming upload on as it comes", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const arrived = createGate();
    const chunks: string[] = [];
    const { origin, authorized } = await open(via, async ({ body }) => {
      for await (const chunk of body ?? []) {
        chunks.push(text(chunk));
        await arrived.pass();
      }
      return new Response();
    });

    const answer = authorized(origin, { method: "POST", body: readable, duplex: "half" } as RequestInit);
    void writer.write(encoder.encode("first"));
    await arrived.reached(1);
    const before = [...chunks];
    arrived.open();
    void writer.write(encoder.encode("last"));
    void writer.close();

    expect((await answer).status).toBe(200);
    expect([before, chunks]).toStrictEqual([["first"], ["first", "last"]]);
  });

  test("streams the answer of a replay", async () => {
    const { server, origin, authorized } = await stage(via);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    server.always("/stream", ({ headers }) =>
      headers.authorization === "Bearer a1" ? { alter: () => new Response(readable) } : {},
    );
    server.expire();

    const answer = await authorized(`${origin}/stream`);
    void writer.write(encoder.encode("first"));

    expect(text((await answer.body?.getReader().read())?.value)).toBe("first");
  });
});
