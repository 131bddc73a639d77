import { createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { describe, expect, onTestFinished, test } from "vitest";
import { account, adapters, arrivals, outcomeOf, replayedOnce, stage } from "./support.ts";

/** Another server, which a redirect leads to. */
async function elsewhere() {
  const server = createServer();
  const listener = await listen(server);
  onTestFinished(() => listener.close());
  return { server, origin: listener.origin };
}

describe.each(adapters)("through the %s adapter", (adapter) => {
  test("keeps the token on a redirect within the origin, and replays from the start", async () => {
    const { server, api } = await stage(adapter);
    server.always("/from", { status: 307, headers: { location: "/to" } });
    server.expire();

    const { data } = await api.post("/from", { a: 1 });

    expect(data).toMatchObject({ method: "POST", path: "/to", generation: 1 });
    expect(arrivals(server).map(({ path, token }) => [path, token])).toStrictEqual([
      ["/from", "a0"],
      ["/to", "a0"],
      ["/from", "a1"],
      ["/to", "a1"],
    ]);
  });

  test("takes no token along on a redirect to another port", async () => {
    const { server, api } = await stage(adapter);
    const { server: other, origin } = await elsewhere();
    server.always("/from", { status: 307, headers: { location: `${origin}/to` } });
    other.always("/to", { status: 200 });

    await api.get("/from");

    expect(arrivals(other).map(({ headers }) => headers.authorization)).toStrictEqual([undefined]);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, answers: 1 }));
  });
});

test("takes no field of a scheme's own along on a redirect to another origin, and leaves the caller's", async () => {
  const fields = () => ({ "X-Proof": "proof" });
  const { server, api } = await stage("http", { scheme: { sendsToken: true, fields } });
  const { server: other, origin } = await elsewhere();
  server.always("/from", { status: 307, headers: { location: `${origin}/to` } });
  other.always("/to", { status: 200 });

  await api.get("/from", { headers: { "x-own": "1" } });

  expect(arrivals(server)[0]?.headers).toMatchObject({ "x-proof": "proof", "x-own": "1" });
  expect(arrivals(other)[0]?.headers).not.toHaveProperty("x-proof");
  expect(arrivals(other)[0]?.headers).toHaveProperty("x-own", "1");
});

test("takes no 401 of another origin for a refusal, where the adapter tells the final URL", async () => {
  const { server, api } = await stage("http");
  const { server: other, origin } = await elsewhere();
  server.always("/from", { status: 307, headers: { location: `${origin}/to` } });

  const error = await outcomeOf(api.get("/from"));

  expect(error).toMatchObject({ response: { status: 401 } });
  expect(ledger(server.log)).toStrictEqual(account({ requests: 1, answers: 1 }));
  expect(ledger(other.log)).toStrictEqual(account({ signIns: 0, requests: 1, refusals: 1 }));
});

test("calls the caller's own beforeRedirect, for each send", async () => {
  const { server, api } = await stage("http");
  const hops: unknown[] = [];
  server.always("/from", { status: 307, headers: { location: "/to" } });
  server.expire();

  await api.get("/from", { beforeRedirect: ({ path }) => hops.push(path) });

  expect(hops).toStrictEqual(["/to", "/to"]);
  expect(ledger(server.log)).toStrictEqual({ ...replayedOnce, requests: 4, answers: 3 });
});
