import { createClock, createServer, ledger } from "@freshtoken/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { isReplayable, snapshot } from "../src/body.ts";
import { sessionFetch } from "../src/index.ts";
import {
  account,
  arrivals,
  type Implementation,
  implementations,
  outcomeOf,
  sessionOn,
  stage,
  text,
} from "./support.ts";

const bytes = Uint8Array.from({ length: 48 }, (_, index) => (index * 37) % 256);
const inner = bytes.subarray(8, 24);
const form = new URLSearchParams([
  ["a", "1 & 2"],
  ["a", "ü"],
]);
const encoder = new TextEncoder();
const views: readonly (new (
  buffer: ArrayBuffer,
  offset?: number,
  length?: number,
) => ArrayBufferView<ArrayBuffer>)[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
];

/** What is sent, and as which bytes it arrives. */
interface Row {
  readonly name: string;
  readonly body: BodyInit | null;
  readonly sent: Uint8Array;
  readonly type?: string;
}

const rows: readonly Row[] = [
  { name: "a string", body: "grüße", sent: encoder.encode("grüße"), type: "text/plain;charset=UTF-8" },
  { name: "an empty string", body: "", sent: new Uint8Array(), type: "text/plain;charset=UTF-8" },
  { name: "no body", body: null, sent: new Uint8Array() },
  {
    name: "URLSearchParams",
    body: form,
    sent: encoder.encode(`${form}`),
    type: "application/x-www-form-urlencoded;charset=UTF-8",
  },
  { name: "a Blob", body: new Blob([bytes], { type: "image/png" }), sent: bytes, type: "image/png" },
  { name: "a Blob without a type", body: new Blob([bytes]), sent: bytes },
  { name: "an ArrayBuffer", body: bytes.slice().buffer, sent: bytes },
  { name: "a subarray", body: inner, sent: inner },
  { name: "a Buffer", body: Buffer.from(bytes), sent: bytes },
  ...views.map((View): Row => ({ name: `a whole ${View.name}`, body: new View(bytes.buffer), sent: bytes })),
  ...views.map((View): Row => {
    const size = "BYTES_PER_ELEMENT" in View ? Number(View.BYTES_PER_ELEMENT) : 1;
    const body = new View(bytes.buffer, 8, 16 / size);
    return { name: `a ${View.name} of part of a buffer`, body, sent: inner };
  }),
];

/** What came twice, with a0 and then with a1. */
function twice(body: Uint8Array, type: string | undefined) {
  return [0, 1].map((generation) => ({ generation, body: text(body), type }));
}

function received({ server }: Awaited<ReturnType<typeof stage>>) {
  return arrivals(server).map(({ generation, body, headers }) => ({
    generation,
    body: text(body),
    type: headers["content-type"],
  }));
}

/** A stage whose token is refused from now on. */
async function refusing(via: Implementation) {
  const all = await stage(via);
  all.server.expire();
  return all;
}

/** A stage whose token has run out: requests are held until the gate opens. */
async function holding(via: Implementation) {
  const clock = createClock();
  const all = await stage(via, { clock, server: createServer({ expiresIn: 60, now: clock.now }) });
  clock.jump(60_000);
  return { ...all, gate: all.server.gate("token") };
}

async function* pieces() {
  yield encoder.encode("one ");
  yield encoder.encode("two");
}

function streamed(...parts: string[]): ReadableStream {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part));
      controller.close();
    },
  });
}

describe.each(implementations)("through $name", (via) => {
  test("leaves a Request alone that was held and never sent: its body can still be read", async () => {
    const clock = createClock();
    const server = createServer({ expiresIn: 3600, now: clock.now });
    const { origin, authorized } = await stage(via, { server, clock, refreshAttempts: 1 });
    const request = new via.Request(origin, { method: "POST", body: "body" });
    server.always("token", { status: 503 });
    clock.jump(3_600_000);

    const outcome = await outcomeOf(authorized(request));

    expect(outcome).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(await request.text()).toBe("body");
    expect(arrivals(server)).toStrictEqual([]);
  });

  test.each(rows)("replays $name byte for byte, with its content type", async ({ body, sent, type }) => {
    const all = await refusing(via);

    const answer = await all.authorized(all.origin, { method: "POST", body });

    expect(await answer.json()).toMatchObject({ method: "POST", generation: 1, length: sent.length });
    expect(received(all)).toStrictEqual(twice(sent, type));
    expect(arrivals(all.server).map(({ body }) => body)).toStrictEqual([sent.slice(), sent.slice()]);
  });

  test.each(rows)(
    "replays a Request made of $name byte for byte, with its content type",
    async ({ body, sent, type }) => {
      const all = await refusing(via);

      const answer = await all.authorized(new via.Request(all.origin, { method: "POST", body }));

      expect(await answer.json()).toMatchObject({ method: "POST", generation: 1, length: sent.length });
      expect(received(all)).toStrictEqual(twice(sent, type));
      expect(arrivals(all.server).map(({ body }) => body)).toStrictEqual([sent.slice(), sent.slice()]);
    },
  );

  test("replays a form with files, whose boundary may change", async () => {
    const { server, origin, authorized } = await refusing(via);
    const body = new via.FormData();
    body.append("name", "ü");
    body.append("file", new Blob([bytes], { type: "image/png" }), "a.png");

    await authorized(origin, { method: "POST", body });

    const forms = await Promise.all(
      arrivals(server).map(({ body, headers }) => new Response(body.slice(), { headers }).formData()),
    );
    const files = forms.map((form) => form.get("file") as File);
    expect(forms.map((form) => form.get("name"))).toStrictEqual(["ü", "ü"]);
    expect(files.map(({ name, type }) => [name, type])).toStrictEqual(Array(2).fill(["a.png", "image/png"]));
    expect(await Promise.all(files.map((file) => file.bytes()))).toStrictEqual([bytes, bytes]);
  });

  test("replays a Request made of a form, and one made of a stream", async () => {
    const all = await refusing(via);
    const body = new via.FormData();
    body.append("name", "value");

    await all.authorized(new via.Request(`${all.origin}/form`, { method: "POST", body }));
    all.server.expire();
    const init = { method: "POST", body: streamed("one ", "two"), duplex: "half" };
    await all.authorized(new via.Request(`${all.origin}/stream`, init));

    const [first, second, ...streams] = received(all);
    expect(first?.body).toContain('name="name"\r\n\r\nvalue');
    expect(second).toStrictEqual({ ...first, generation: 1 });
    expect(streams.map(({ body, generation }) => [body, generation])).toStrictEqual([
      ["one two", 1],
      ["one two", 2],
    ]);
  });

  test("sends the body, method and fields that init lays over a Request, both times", async () => {
    const all = await refusing(via);
    const request = new via.Request(all.origin, {
      method: "POST",
      body: "old",
      headers: { "x-from": "request" },
    });

    await all.authorized(request, { method: "PUT", body: "new", headers: { "x-from": "init" } });

    expect(arrivals(all.server)).toMatchObject(
      Array(2).fill({ method: "PUT", headers: { "x-from": "init" } }),
    );
    expect(received(all)).toStrictEqual(twice(encoder.encode("new"), "text/plain;charset=UTF-8"));
    expect(request.bodyUsed).toBe(false);
  });

  test("takes a Request as init, as fetch does", async () => {
    const { server, origin, authorized } = await stage(via);
    const request = new via.Request("http://elsewhere.test", {
      method: "PUT",
      body: "whole",
      headers: { "x-from": "request" },
    });

    await authorized(origin, request as RequestInit);

    const [arrival] = arrivals(server);
    expect([arrival?.method, arrival?.headers["x-from"], text(arrival?.body)]).toStrictEqual([
      "PUT",
      "request",
      "whole",
    ]);
  });

  test("replays a request that outlives its page", async () => {
    const all = await refusing(via);

    await all.authorized(all.origin, { method: "POST", body: "beacon", keepalive: true });

    expect(received(all)).toStrictEqual(twice(encoder.encode("beacon"), "text/plain;charset=UTF-8"));
  });

  test.each<[string, () => [BodyInit, change: () => unknown], string]>([
    ["an ArrayBuffer that is overwritten", () => overwritten(encoder.encode("before"), "buffer"), "before"],
    ["a view that is overwritten", () => overwritten(encoder.encode("before"), "view"), "before"],
    ["an ArrayBuffer that is transferred", () => transferred(encoder.encode("before"), "buffer"), "before"],
    ["a view that is transferred", () => transferred(encoder.encode("before"), "view"), "before"],
    ["parameters that grow", () => grown(new URLSearchParams("a=1")), "a=1"],
  ])("sends %s after the call as it was at the call, held and replayed", async (_, make, sent) => {
    const { server, origin, authorized, gate } = await holding(via);
    server.next("resource", { refuse: true });

    const [body, change] = make();
    const answer = authorized(origin, { method: "POST", body });
    change();
    gate.open();

    expect((await answer).status).toBe(200);
    expect(arrivals(server).map(({ body, generation }) => [text(body), generation])).toStrictEqual([
      [sent, 1],
      [sent, 2],
    ]);
  });

  test("sends a form, fields and a URL that change after the call as they were at the call", async () => {
    const { server, origin, authorized, gate } = await holding(via);
    const body = new via.FormData();
    const headers = new via.Headers({ "x-order": "1" });
    const url = new URL(`${origin}/before`);
    const init: RequestInit = { method: "POST", body, headers };
    body.append("name", "before");

    const answer = authorized(url, init);
    body.append("name", "after");
    headers.append("x-order", "2");
    init.method = "DELETE";
    url.pathname = "/after";
    gate.open();

    expect((await answer).status).toBe(200);
    const [{ method, path, headers: sent, ...arrival }] = arrivals(server) as [
      ReturnType<typeof arrivals>[0],
    ];
    const form = await new Response(arrival.body.slice(), { headers: sent }).formData();
    expect([method, path, sent["x-order"], form.getAll("name")]).toStrictEqual([
      "POST",
      "/before",
      "1",
      ["before"],
    ]);
  });

  test.each<[string, () => BodyInit]>([
    ["a stream", () => streamed("one ", "two")],
    ["an async iterable", () => pieces() as unknown as BodyInit],
  ])("sends %s once; refused, it rejects and the token is refreshed for the next call", async (_, make) => {
    const { server, origin, authorized } = await refusing(via);
    const post = () => authorized(origin, { method: "POST", body: make(), duplex: "half" } as RequestInit);

    const first = await outcomeOf(post());
    const second = await outcomeOf(post());

    expect(first).toMatchObject({
      code: "ERR_NOT_REPLAYABLE",
      request: { method: "POST", url: `${origin}/` },
    });
    expect(second).toHaveProperty("status", 200);
    expect(arrivals(server).map(({ body, generation }) => [text(body), generation])).toStrictEqual([
      ["one two", 0],
      ["one two", 1],
    ]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 2, refusals: 1, answers: 1 }),
    );
  });

  test("sends a stream after the refresh of an ageing token, and whole", async () => {
    const clock = createClock();
    const server = createServer({ expiresIn: 3600, now: clock.now });
    const { origin, authorized } = await stage(via, { clock, server });
    clock.jump(3_570_000);

    const init = { method: "POST", body: streamed("one ", "two"), duplex: "half" };
    const answer = await authorized(origin, init);

    expect(answer.status).toBe(200);
    expect(arrivals(server).map(({ body, generation }) => [text(body), generation])).toStrictEqual([
      ["one two", 1],
    ]);
  });

  test("rejects a Request that was used already, as fetch does, and sends nothing", async () => {
    const { server, origin, authorized } = await stage(via);
    const request = new via.Request(origin, { method: "POST", body: "once" });
    await request.text();

    await expect(authorized(request)).rejects.toThrow(TypeError);
    await expect(via.fetch(request)).rejects.toThrow(TypeError);
    expect(ledger(server.log)).toStrictEqual(account({}));
  });

  test("sends a new body in place of that of a Request that was used already, as fetch does", async () => {
    const all = await refusing(via);
    const request = new via.Request(all.origin, { method: "POST", body: "old" });
    await request.text();

    await all.authorized(request, { body: "new" });

    expect(received(all)).toStrictEqual(twice(encoder.encode("new"), "text/plain;charset=UTF-8"));
  });

  test("uses up a Request that it sends, as fetch does", async () => {
    const { origin, authorized } = await stage(via);
    const request = new via.Request(origin, { method: "POST", body: "once" });

    await authorized(request);

    expect(request.bodyUsed).toBe(true);
    await expect(authorized(request)).rejects.toThrow(TypeError);
  });
});

test("does not send a stream twice where streams cannot be iterated, as in some browsers", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin] });
  const authorized = sessionFetch(session, { fetch: async () => new Response(null, { status: 401 }) });
  await session.signIn(server.signIn());
  const { prototype } = ReadableStream;
  const iterator = Object.getOwnPropertyDescriptor(prototype, Symbol.asyncIterator) as PropertyDescriptor;
  onTestFinished(() => void Object.defineProperty(prototype, Symbol.asyncIterator, iterator));
  Reflect.deleteProperty(prototype, Symbol.asyncIterator);

  const answer = authorized(server.origin, { method: "POST", body: streamed("one") });

  await expect(answer).rejects.toMatchObject({ code: "ERR_NOT_REPLAYABLE" });
});

function overwritten(view: Uint8Array<ArrayBuffer>, as: "buffer" | "view"): [BodyInit, () => unknown] {
  return [as === "view" ? view : view.buffer, () => view.fill(0)];
}

function transferred(view: Uint8Array<ArrayBuffer>, as: "buffer" | "view"): [BodyInit, () => unknown] {
  return [as === "view" ? view : view.buffer, () => structuredClone(view, { transfer: [view.buffer] })];
}

function grown(params: URLSearchParams): [BodyInit, () => unknown] {
  return [params, () => params.append("b", "2")];
}

test("takes what can only be piped for a stream, also where it is called FormData", () => {
  const piped = { pipe() {}, [Symbol.toStringTag]: "FormData" };

  expect([isReplayable(piped), snapshot(piped)]).toStrictEqual([false, piped]);
});
