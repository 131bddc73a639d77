import { createServer } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import axios, { type AxiosRequestConfig } from "axios";
import { expect, onTestFinished, test } from "vitest";
import { count, createJournal } from "../src/journal.ts";
import { createWire } from "../src/wire.ts";

type Ask = (request: AxiosRequestConfig) => Promise<unknown>;

/** A server that issued a0 and r0, and a wire to it; asked through its fetch or through its adapter for axios. */
async function stage(via: "fetch" | "axios") {
  const server = createServer({ expiresIn: 3600 });
  const { origin, close } = await listen(server);
  onTestFinished(close);
  server.signIn();
  const journal = createJournal();
  journal.begin("");
  const wire = createWire(journal, "a0");
  const adapter = via === "axios" ? wire.adapter : "fetch";
  const instance = axios.create({
    baseURL: origin,
    adapter,
    env: { fetch: wire.fetch },
  });
  const ask: Ask = async (request) =>
    (await instance.request(request).catch(({ response }) => response)).data;
  const get = (url: string, token: string) => ask({ url, headers: { authorization: `Bearer ${token}` } });
  const refresh = (token: string) =>
    ask({
      url: "/token",
      method: "post",
      data: new URLSearchParams({ grant_type: "refresh_token", refresh_token: token }),
    });
  return { server, origin, journal, wire, get, refresh };
}

test.each(["fetch", "axios"] as const)("tells late refusals from others, through %s", async (via) => {
  const { server, journal, wire, get, refresh } = await stage(via);
  server.expire();

  await get("/1", "a0");
  await refresh("r0");
  await get("/2", "a0");
  await get("/2", "a1");

  expect(wire.lateRefusals).toBe(1);
  const { entries } = journal;
  const seen = ["refused", "refresh", "replayed"] as const;
  expect(seen.map((what) => count(entries, what))).toStrictEqual([2, 1, 1]);
});

test.each(["fetch", "axios"] as const)("says when tokens expire, or does not, through %s", async (via) => {
  const { wire, refresh } = await stage(via);

  const told = await refresh("r0");
  wire.tellsExpiry = false;
  const untold = await refresh("r1");

  expect([told, untold]).toStrictEqual([
    { access_token: "a1", token_type: "Bearer", expires_in: 3600, refresh_token: "r1" },
    { access_token: "a2", token_type: "Bearer", refresh_token: "r2" },
  ]);
  expect(wire.agesAtRefresh).toHaveLength(2);
});

test("passes on what asks for no tokens, a revocation for instance", async () => {
  const { origin, wire } = await stage("fetch");
  const body = new URLSearchParams({ token: "r0" });

  const answer = await wire.fetch(`${origin}/revoke`, { method: "POST", body });

  expect([answer.status, await answer.text(), wire.agesAtRefresh]).toStrictEqual([200, "", []]);
});
