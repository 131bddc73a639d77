import { assert } from "chai";
import type { ResourceRequest } from "../log.ts";
import { type Case, failureOf } from "./case.ts";
import { HOUR, hourly } from "./stage.ts";
import type { Ability, ContractBody } from "./subject.ts";

const bytes = Uint8Array.from({ length: 48 }, (_, index) => (index * 37) % 256);
const form = new URLSearchParams([
  ["a", "1 & 2"],
  ["a", "ü"],
]);
const encoded = (text: string) => new TextEncoder().encode(text);
const decoded = ({ body }: ResourceRequest) => new TextDecoder().decode(body);

function streamed(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of ["one ", "two"]) controller.enqueue(encoded(part));
      controller.close();
    },
  });
}

interface Row {
  readonly name: string;
  readonly needs?: Ability;
  readonly make: () => ContractBody;
  /** The bytes that arrive. */
  readonly sent: Uint8Array;
}

const rows: readonly Row[] = [
  { name: "a string", make: () => "grüße", sent: encoded("grüße") },
  { name: "URLSearchParams", make: () => form, sent: encoded(`${form}`) },
  { name: "a Blob", make: () => new Blob([bytes], { type: "image/png" }), sent: bytes },
  { name: "an ArrayBuffer", make: () => bytes.slice().buffer, sent: bytes },
  { name: "bytes", make: () => bytes.slice(), sent: bytes },
  { name: "a part of a buffer", needs: "views", make: () => bytes.subarray(8, 24), sent: bytes.slice(8, 24) },
];

/** What is sent again is what was sent. */
export const bodies: readonly Case[] = [
  ...rows.map(
    ({ name, make, sent, ...needs }): Case => ({
      title: `replays ${name} byte for byte, with the length and type of the first attempt`,
      ...needs,
      async run(open) {
        const { server, send, arrivals } = await open();
        await server.expire();

        assert.equal((await send("/me", { method: "POST", body: make() })).status, 200);

        const attempts = await arrivals();
        const told = attempts.map(({ body, headers }) => [body, headers["content-length"]]);
        assert.deepEqual(told, Array(2).fill([sent, `${sent.length}`]));
        assert.equal(attempts[1]?.headers["content-type"], attempts[0]?.headers["content-type"]);
        assert.deepEqual(generations(attempts), [0, 1]);
      },
    }),
  ),
  {
    title: "replays what the client serialized as JSON",
    async run(open) {
      const { server, send, arrivals } = await open();
      await server.expire();

      assert.equal((await send("/me", { method: "PUT", json: { id: 1, name: "ü" } })).status, 200);

      const attempts = await arrivals();
      assert.deepEqual(
        attempts.map((attempt) => [
          attempt.method,
          attempt.headers["content-type"]?.split(";")[0],
          decoded(attempt),
        ]),
        Array(2).fill(["PUT", "application/json", '{"id":1,"name":"ü"}']),
      );
      assert.deepEqual(generations(attempts), [0, 1]);
    },
  },
  {
    title: "replays a body of a megabyte whole",
    async run(open) {
      const { server, send, arrivals } = await open();
      await server.expire();

      assert.equal((await send("/me", { method: "POST", body: "ü".repeat(500_000) })).status, 200);
      const attempts = await arrivals();
      assert.deepEqual(
        attempts.map(({ body }) => body.length),
        [1_000_000, 1_000_000],
      );
      assert.deepEqual(generations(attempts), [0, 1]);
    },
  },
  {
    title: "replays with the caller's own fields and query, and hands the answer over whole",
    async run(open) {
      const { server, send, arrivals } = await open();
      await server.expire();

      const { status, body } = await send("/me?q=a%20b", { headers: { "X-Own": "1" } });

      const answer = { method: "GET", path: "/me", search: "?q=a%20b", family: 1, generation: 1, length: 0 };
      assert.deepEqual([status, JSON.parse(body)], [200, answer]);
      assert.deepEqual(
        (await arrivals()).map(({ headers, search }) => [headers["x-own"], search]),
        Array(2).fill(["1", "?q=a%20b"]),
      );
    },
  },
  {
    title: "replays a form with files, whose boundary may change",
    needs: "forms",
    async run(open) {
      const { server, send, arrivals } = await open();
      const body = new FormData();
      body.append("name", "ü");
      body.append("file", new Blob([bytes], { type: "image/png" }), "a.png");
      await server.expire();

      assert.equal((await send("/me", { method: "POST", body })).status, 200);

      const attempts = await arrivals();
      const forms = await Promise.all(
        attempts.map(({ body, headers }) => new Response(body.slice(), { headers }).formData()),
      );
      for (const form of forms) {
        const { name, type, size } = form.get("file") as File;
        assert.deepEqual([form.get("name"), name, type, size], ["ü", "a.png", "image/png", bytes.length]);
      }
      assert.deepEqual(generations(attempts), [0, 1]);
    },
  },
  {
    title: "sends a buffer that is overwritten after the call as it was at the call, held and replayed",
    async run(open) {
      const { server, clock, send, held, arrivals } = await open(hourly);
      const gate = await server.gate("token");
      await server.next("/me", { refuse: true });
      clock.jump(HOUR);

      const body = encoded("before").buffer;
      const answer = send("/me", { method: "POST", body });
      await held(1);
      new Uint8Array(body).fill(0);
      await gate.open();

      assert.equal((await answer).status, 200);
      const attempts = await arrivals();
      assert.deepEqual(attempts.map(decoded), ["before", "before"]);
      assert.deepEqual(generations(attempts), [1, 2]);
    },
  },
  {
    title: "sends a stream once: refused, it rejects, and the token is refreshed for the next call",
    needs: "streams",
    async run(open, subject) {
      const { server, send, arrivals, ledger } = await open();
      const post = () => send("/me", { method: "POST", body: streamed() });
      await server.expire();

      const first = await failureOf(post(), subject);
      const second = await post();

      assert.deepEqual(first, { name: "NotReplayableError", code: "ERR_NOT_REPLAYABLE" });
      assert.equal(second.status, 200);
      assert.deepEqual((await arrivals()).map(decoded), ["one two", "one two"]);
      assert.deepEqual(await ledger(), {
        signIns: 1,
        attempts: 1,
        refreshes: 1,
        requests: 2,
        refusals: 1,
        answers: 1,
      });
    },
  },
  {
    title: "sends a stream after the refresh of an ageing token, and whole",
    needs: "streams",
    async run(open) {
      const { clock, send, arrivals, ledger } = await open(hourly);
      clock.jump(HOUR - 30_000);

      assert.equal((await send("/me", { method: "POST", body: streamed() })).status, 200);
      const attempts = await arrivals();
      assert.deepEqual([attempts.map(decoded), generations(attempts)], [["one two"], [1]]);
      assert.deepEqual(await ledger(), { signIns: 1, attempts: 1, refreshes: 1, requests: 1, answers: 1 });
    },
  },
  {
    title: "replays every method",
    async run(open) {
      const { server, send, arrivals } = await open({ refusalLimit: false });
      const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

      for (const method of methods) {
        await server.expire();
        assert.equal((await send("/me", { method })).status, 200);
      }

      const arrived = (await arrivals()).map(({ method }) => method);
      assert.deepEqual(
        arrived,
        methods.flatMap((method) => [method, method]),
      );
    },
  },
];

function generations(attempts: readonly ResourceRequest[]): (number | undefined)[] {
  return attempts.map(({ generation }) => generation);
}
