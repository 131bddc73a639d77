import { ledger } from "@freshtoken/testing";
import type { Options } from "ky";
import { describe, expect, test } from "vitest";
import { arrivals, inMemory, ONE_REPLAY, releases, stage, text } from "./support.ts";

const BYTES = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);

function stream(): ReadableStream<Uint8Array> {
  return new Blob([BYTES]).stream();
}

function form(): FormData {
  const form = new FormData();
  form.set("file", new Blob([BYTES]), "bytes.bin");
  return form;
}

const bodies: readonly [string, () => Options][] = [
  ["json", () => ({ json: { name: "Zoë", list: [1, 2] } })],
  ["a string", () => ({ body: "Zoë" })],
  ["bytes", () => ({ body: BYTES })],
  ["a Blob", () => ({ body: new Blob([BYTES], { type: "application/pdf" }) })],
  ["URLSearchParams", () => ({ body: new URLSearchParams({ name: "Zoë" }) })],
  ["a form", () => ({ body: form() })],
  ["a stream", () => ({ body: stream() })],
  ["a stream, with retry: 0", () => ({ body: stream(), retry: 0 })],
  ["a form whose upload is watched", () => ({ body: form(), onUploadProgress: () => {} })],
];

describe.each(releases)("through $name", (via) => {
  test.each(bodies)("replays %s byte for byte, with its content type", async (_, make) => {
    const { server, client } = await stage(via);
    server.expire();

    await client.post("me", make());

    const [first, second] = arrivals(server);
    expect(second?.body.length).toBeGreaterThan(0);
    expect(comparable(second)).toStrictEqual(comparable(first));
    expect(second?.headers["content-type"]?.split(";")[0]).toBe(
      first?.headers["content-type"]?.split(";")[0],
    );
    expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
  });

  test("replays a Request that was given to ky, with its method, fields and body", async () => {
    const { server, origin, client } = await stage(via);
    const fields = { "x-own": "1", "content-type": "text/own" };
    server.expire();

    await client(new Request(`${origin}/me`, { method: "PUT", body: "body", headers: fields }));

    const sent = arrivals(server).map(({ method, body, headers }) => [method, text(body), headers]);
    expect(sent).toMatchObject([
      ["PUT", "body", { ...fields, authorization: "Bearer a0" }],
      ["PUT", "body", { ...fields, authorization: "Bearer a1" }],
    ]);
  });

  test("serialises json once, however often it is sent", async () => {
    let times = 0;
    const stringifyJson = (value: unknown) => `${JSON.stringify(value)}${" ".repeat(times++)}`;
    const { server, client } = await stage(via, { options: { stringifyJson, retry: { delay: () => 0 } } });
    server.expire();

    await client.put("me", { json: { id: 1 } });

    expect(times).toBe(1);
    expect(arrivals(server).map(({ body }) => text(body))).toStrictEqual(Array(2).fill('{"id":1}'));
  });

  test("reads an answer's stream, however the caller reads it", async () => {
    const { server, client } = await inMemory(via);
    server.always("/me", { body: BYTES });

    const answer = await client.get("me").arrayBuffer();

    expect(new Uint8Array(answer)).toStrictEqual(BYTES);
  });
});

/** A body, without the boundary of its parts, which may change. */
function comparable(arrival: { body: Uint8Array; headers: Readonly<Record<string, string>> } | undefined) {
  const boundary = /boundary=(.*)$/.exec(arrival?.headers["content-type"] ?? "")?.[1];
  const latin = new TextDecoder("latin1").decode(arrival?.body);
  return boundary ? latin.replaceAll(boundary, "boundary") : latin;
}
