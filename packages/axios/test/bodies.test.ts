import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { createClock, createServer, ledger } from "@freshtoken/testing";
import NodeForm from "form-data";
import { describe, expect, test } from "vitest";
import { bodyOf, isReplayable } from "../src/body.ts";
import {
  type AdapterName,
  account,
  adapters,
  arrivals,
  outcomeOf,
  replayedOnce,
  stage,
  text,
} from "./support.ts";

const bytes = Uint8Array.from({ length: 48 }, (_, index) => (index * 37) % 256);
const encoder = new TextEncoder();
const params = new URLSearchParams([
  ["a", "1 & 2"],
  ["a", "ü"],
]);
const urlencoded = "application/x-www-form-urlencoded;charset=utf-8";

const rows: readonly { name: string; body: unknown; sent: Uint8Array; type: string }[] = [
  { name: "an object", body: { a: "ü" }, sent: encoder.encode('{"a":"ü"}'), type: "application/json" },
  { name: "URLSearchParams", body: params, sent: encoder.encode(`${params}`), type: urlencoded },
  {
    name: "a string",
    body: "grüße",
    sent: encoder.encode("grüße"),
    type: "application/x-www-form-urlencoded",
  },
  { name: "a Buffer", body: Buffer.from(bytes), sent: bytes, type: "application/x-www-form-urlencoded" },
  {
    name: "an ArrayBuffer",
    body: bytes.slice().buffer,
    sent: bytes,
    type: "application/x-www-form-urlencoded",
  },
  { name: "a Blob", body: new Blob([bytes], { type: "image/png" }), sent: bytes, type: "image/png" },
];

/** A stage whose token has run out: requests are held until the gate opens. */
async function holding(adapter: AdapterName) {
  const clock = createClock();
  const all = await stage(adapter, { clock, server: createServer({ expiresIn: 60, now: clock.now }) });
  clock.jump(60_000);
  return { ...all, gate: all.server.gate("token") };
}

function formsIn(server: ReturnType<typeof createServer>): Promise<FormData[]> {
  return Promise.all(
    arrivals(server).map(({ body, headers }) => new Response(body.slice(), { headers }).formData()),
  );
}

describe.each(adapters)("through the %s adapter", (adapter) => {
  test.each(rows)("replays $name byte for byte, with its content type", async ({ body, sent, type }) => {
    const { server, api } = await stage(adapter);
    server.expire();

    await api.post("/me", body, { headers: type.startsWith("image") ? { "content-type": type } : {} });

    expect(arrivals(server).map(({ body, headers }) => [body, headers["content-type"]])).toStrictEqual(
      Array(2).fill([sent, type]),
    );
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test.each<[string, () => [body: unknown, change: () => unknown]]>([
    ["a Buffer that is overwritten", () => changed(Buffer.from("before"), (body) => body.fill(0))],
    [
      "an ArrayBuffer that is overwritten",
      () => changed(encoder.encode("before"), (body) => body.fill(0), "buffer"),
    ],
    ["an ArrayBuffer that is transferred", () => changed(encoder.encode("before"), transfer, "buffer")],
  ])("sends %s after the call as it was at the call, held and replayed", async (_, make) => {
    const { server, api, gate } = await holding(adapter);
    server.next("resource", { refuse: true });
    const [body, change] = make();

    const answer = api.post("/me", body);
    await gate.reached(1);
    change();
    gate.open();

    expect((await answer).status).toBe(200);
    expect(arrivals(server).map(({ body, generation }) => [text(body), generation])).toStrictEqual([
      ["before", 1],
      ["before", 2],
    ]);
  });

  test("sends a stream after the refresh of an ageing token, and whole", async () => {
    const clock = createClock();
    const server = createServer({ expiresIn: 3600, now: clock.now });
    const { api } = await stage(adapter, { clock, server });
    clock.jump(3_570_000);

    await api.post("/me", streamed(adapter));

    expect(arrivals(server).map(({ body, generation }) => [text(body), generation])).toStrictEqual([
      ["one two", 1],
    ]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 1, answers: 1 }));
  });

  test("rejects a stream that went out once already, and sends nothing in its place", async () => {
    const { server, api } = await stage(adapter);
    const body = streamed(adapter);
    server.next("/me", { status: 503 });

    const first = await outcomeOf(api.post("/me", body));
    const again = await outcomeOf(api.request((first as { config: object }).config));

    expect(first).toMatchObject({ response: { status: 503 } });
    expect(again).toMatchObject({ code: "ERR_NOT_REPLAYABLE", message: expect.stringContaining("new body") });
    expect(arrivals(server).map(({ body }) => text(body))).toStrictEqual(["one two"]);
  });
});

test("replays a form with files, whose boundary may change", async () => {
  const { server, api } = await stage("http");
  const form = new FormData();
  form.append("name", "ü");
  form.append("file", new Blob([bytes], { type: "image/png" }), "a.png");
  server.expire();

  await api.post("/me", form);

  const forms = await formsIn(server);
  const files = forms.map((form) => form.get("file") as File);
  expect(forms.map((form) => form.get("name"))).toStrictEqual(["ü", "ü"]);
  expect(files.map(({ name, type }) => [name, type])).toStrictEqual(Array(2).fill(["a.png", "image/png"]));
  expect(await Promise.all(files.map((file) => file.bytes()))).toStrictEqual([bytes, bytes]);
});

test("sends a form that grows after the call as it was at the call, held and replayed", async () => {
  const { server, api, gate } = await holding("http");
  const form = new FormData();
  form.append("name", "before");
  server.next("resource", { refuse: true });

  const answer = api.post("/me", form);
  await gate.reached(1);
  form.append("name", "after");
  gate.open();
  await answer;

  const forms = await formsIn(server);
  expect(forms.map((form) => form.getAll("name"))).toStrictEqual([["before"], ["before"]]);
});

test.each(adapters)(
  "replays a form that axios makes of an object, byte for byte, through the %s adapter",
  async (adapter) => {
    const { server, api } = await stage(adapter);
    server.expire();

    await api.postForm("/me", { name: "ü", file: Buffer.from("bytes") });

    const [sent, replayed] = arrivals(server).map(({ body, headers }) => [body, headers["content-type"]]);
    const forms = await formsIn(server);
    expect(replayed).toStrictEqual(sent);
    expect(forms.map((form) => [form.get("name"), form.get("file")])).toStrictEqual(
      Array(2).fill(["ü", "bytes"]),
    );
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  },
);

test("does not send a form twice, one part of which is a stream", async () => {
  const { server, api } = await stage("http");
  const post = () => {
    const form = new NodeForm();
    form.append("name", Readable.from([Buffer.from("value")]));
    return outcomeOf(api.post("/me", form));
  };
  server.expire();

  const outcomes = [await post(), await post()];

  expect(outcomes).toMatchObject([{ code: "ERR_NOT_REPLAYABLE" }, { status: 200 }]);
  expect((await formsIn(server)).map((form) => form.get("name"))).toStrictEqual(["value", "value"]);
  expect(ledger(server.log)).toStrictEqual(replayedOnce);
});

test("takes a form for bytes where all its parts are at hand, and else for the stream it is", () => {
  const parts = ["text", 1, Buffer.from("bytes"), Readable.from(["read"]), () => Readable.from(["called"])];
  const forms = parts.map((part) => {
    const form = new NodeForm();
    form.append("name", part);
    return form;
  });

  expect(forms.map((form) => isReplayable(bodyOf(form).data))).toStrictEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});

test("sends a form that axios made of an object again, where it is retried", async () => {
  const { server, api } = await stage("http");
  server.next("/me", { status: 503 });

  const first = await outcomeOf(api.postForm("/me", { name: "value" }));
  await api.request((first as { config: object }).config);

  const forms = await formsIn(server);
  expect(forms.map((form) => form.get("name"))).toStrictEqual(["value", "value"]);
  expect(ledger(server.log)).toStrictEqual(account({ requests: 2, answers: 2 }));
});

test("rejects with the error of a stream that fails while its request is held, and sends nothing", async () => {
  const { server, api, gate } = await holding("http");
  const body = createReadStream("/there/is/no/such/file");

  const answer = outcomeOf(api.post("/me", body));
  await Promise.all([gate.reached(1), new Promise<void>((resolve) => body.on("close", resolve))]);
  gate.open();

  expect(await answer).toMatchObject({ isAxiosError: true, code: "ENOENT", config: { url: "/me" } });
  expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1 }));
});

test("rejects at its turn a request whose stream was destroyed while it was held", async () => {
  const { server, api, gate } = await holding("http");
  const body = new Readable({ read() {} });

  const answer = outcomeOf(api.post("/me", body));
  await gate.reached(1);
  body.destroy();
  gate.open();

  expect(await answer).toMatchObject({ isAxiosError: true, message: expect.stringContaining("destroyed") });
  expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1 }));
});

test("replays what has no body", async () => {
  const { server, api } = await stage("http");
  server.expire();

  await api.delete("/me", { params: { id: 1 } });

  expect(arrivals(server).map(({ method, search }) => method + search)).toStrictEqual(
    Array(2).fill("DELETE?id=1"),
  );
});

test("takes what can only be piped, read or iterated for a stream", () => {
  const streams = [{ pipe() {} }, { getReader() {} }, { async *[Symbol.asyncIterator]() {} }];

  expect(streams.map(isReplayable)).toStrictEqual([false, false, false]);
  expect([undefined, null, "", {}, new FormData()].map(isReplayable)).toStrictEqual(Array(5).fill(true));
  expect(Buffer.isBuffer(bodyOf(Buffer.from("a")).data)).toBe(true);
});

function changed(
  body: Uint8Array<ArrayBuffer>,
  change: (body: Uint8Array<ArrayBuffer>) => unknown,
  as?: "buffer",
): [unknown, () => unknown] {
  return [as ? body.buffer : body, () => change(body)];
}

function transfer(body: Uint8Array<ArrayBuffer>): unknown {
  return structuredClone(body, { transfer: [body.buffer] });
}

function streamed(adapter: AdapterName): unknown {
  const parts = ["one ", "two"];
  return adapter === "http" ? Readable.from(parts) : new Blob(parts).stream();
}
