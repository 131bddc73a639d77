import { cookie, createSession } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import axios, { type AxiosRequestConfig, type InternalAxiosRequestConfig } from "axios";
import { describe, expect, onTestFinished, test } from "vitest";
import { attachSession } from "../src/index.ts";
import {
  account,
  adapters,
  arrivals,
  outcomeOf,
  refreshAt,
  replayedOnce,
  type Stage,
  stage,
} from "./support.ts";

const other = () => createSession({ refresh: async () => null, tokens: { accessToken: "other" } });

function optOut({ api }: Stage): void {
  api.interceptors.request.use((config) => ({ ...config, session: false }));
}

describe.each(adapters)("through the %s adapter", (adapter) => {
  test("leaves no trace of itself when it is detached, twice", async () => {
    const { server, api, detach } = await stage(adapter);
    const before = { ...api.defaults };

    detach();
    detach();
    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ response: { status: 401 }, config: { adapter } });
    expect({ ...api.defaults }).toStrictEqual(before);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
  });

  test("leaves alone an interceptor of the caller's when it is detached twice", async () => {
    const { api, detach } = await stage(adapter);
    const seen: unknown[] = [];

    detach();
    api.interceptors.request.use((config) => {
      seen.push(config.url);
      return config;
    });
    detach();
    await outcomeOf(api.get("/me"));

    expect(seen).toStrictEqual(["/me"]);
  });

  test("lets a request that waits come to its end when it is detached", async () => {
    const { server, api, detach } = await stage(adapter);
    const gate = server.gate("token");
    server.expire();

    const waiting = api.get("/me");
    await gate.reached(1);
    detach();
    gate.open();

    expect((await waiting).status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test("does not double where the same session is attached twice", async () => {
    const { server, session, api } = await stage(adapter);
    const detach = attachSession(api, session);
    server.expire();

    await api.get("/me");
    detach();
    await outcomeOf(api.get("/me"));

    expect(arrivals(server).map(({ token }) => token)).toStrictEqual(["a0", "a1", undefined]);
    expect(ledger(server.log)).toStrictEqual({ ...replayedOnce, requests: 3, refusals: 2 });
  });

  test("replaces the session that was attached before, whose detaching does nothing then", async () => {
    const { server, api, detach } = await stage(adapter);
    const session = other();
    await session.loaded;

    attachSession(api, session);
    detach();
    await outcomeOf(api.get("/me"));

    expect(arrivals(server).map(({ token }) => token)).toStrictEqual(["other"]);
  });

  test("goes in once for a config that an interceptor behind it kept, and sent later", async () => {
    const { server, session, api, detach } = await stage(adapter, { scheme: cookie() });
    const kept: InternalAxiosRequestConfig[] = [];
    detach();
    const id = api.interceptors.request.use((config) => {
      kept.push(config);
      throw new Error("offline");
    });
    attachSession(api, session);
    await outcomeOf(api.get("/me"));
    api.interceptors.request.eject(id);

    const error = await outcomeOf(api.request(kept[0] as InternalAxiosRequestConfig));

    expect(error).toMatchObject({ response: { status: 401 }, config: { adapter } });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 2, refusals: 2 }),
    );
  });

  test("is not inherited by an instance that is created from it", async () => {
    const { server, api } = await stage(adapter);

    await outcomeOf(api.create().get("/me"));

    expect(arrivals(server).map(({ token }) => token)).toStrictEqual([undefined]);
  });

  test.each<[string, AxiosRequestConfig, string | undefined]>([
    ["session: false", { session: false }, undefined],
    ["its own Authorization", { headers: { Authorization: "Own 1" } }, "Own 1"],
    ["its own authorization", { headers: { authorization: "Own 1" } }, "Own 1"],
    ["auth", { auth: { username: "u", password: "p" } }, `Basic ${btoa("u:p")}`],
  ])("leaves a request alone that has %s: not held, not refreshed for", async (_, config, sent) => {
    const { server, api } = await stage(adapter);
    const gate = server.gate("token");
    server.expire();
    const refused = api.get("/refused");
    await gate.reached(1);

    const error = await outcomeOf(api.get("/me", config));

    expect(error).toMatchObject({ response: { status: 401 } });
    expect(error).not.toHaveProperty("cause");
    expect(arrivals(server).at(-1)?.headers.authorization).toBe(sent);
    gate.open();
    expect((await refused).status).toBe(200);
    expect(ledger(server.log)).toStrictEqual({ ...replayedOnce, requests: 3, refusals: 2 });
  });

  test.each<[string, (stage: Stage) => unknown]>([
    ["an interceptor before it", optOut],
    [
      "an interceptor behind it",
      (all) => {
        all.detach();
        optOut(all);
        attachSession(all.api, all.session);
      },
    ],
    ["a default of the instance", ({ api }) => Object.assign(api.defaults, { session: false })],
  ])("leaves a request alone that opts out by %s", async (_, prepare) => {
    const all = await stage(adapter);
    prepare(all);

    const error = await outcomeOf(all.api.get("/me"));

    expect(error).toMatchObject({ response: { status: 401 }, config: { adapter } });
    expect(arrivals(all.server).map(({ token }) => token)).toStrictEqual([undefined]);
    expect(ledger(all.server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
  });

  test("leaves a request alone whose URL has credentials", async () => {
    const { server, origin, api } = await stage(adapter);

    const error = await outcomeOf(api.get(origin.replace("//", "//u:p@")));

    expect(error).toMatchObject({ response: { status: 401 } });
    expect(arrivals(server).map(({ headers }) => headers.authorization)).toStrictEqual([
      `Basic ${btoa("u:p")}`,
    ]);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
  });

  test("sends the token to the origin of the instance's base URL, and to no other", async () => {
    const { server, origin, api } = await stage(adapter);
    const elsewhere = createServer();
    const { origin: foreign, close } = await listen(elsewhere);
    onTestFinished(close);

    await api.get("/relative");
    await api.get(`${origin}/absolute`);
    const outcomes = [
      await outcomeOf(api.get(`${foreign}/absolute`)),
      await outcomeOf(api.get("/relative", { baseURL: foreign })),
    ];

    expect(outcomes).toMatchObject(Array(2).fill({ response: { status: 401 } }));
    expect(arrivals(server).map(({ token }) => token)).toStrictEqual(["a0", "a0"]);
    expect(arrivals(elsewhere).map(({ token }) => token)).toStrictEqual([undefined, undefined]);
  });

  test("knows where a URL leads by the base URL, and by whether absolute ones are allowed", async () => {
    const { server, origin, api } = await stage(adapter);

    await api.get("http://evil.test/me", { allowAbsoluteUrls: false });
    await api.get("me", { baseURL: `${origin}/v1/` });

    expect(arrivals(server).map(({ path, token }) => [path, token])).toStrictEqual([
      ["/http://evil.test/me", "a0"],
      ["/v1/me", "a0"],
    ]);
  });

  test("lets the refresh through the instance that waits for it, by the signal it was given", async () => {
    const server = createServer();
    const { origin, close } = await listen(server);
    onTestFinished(close);
    const api = axios.create({ baseURL: origin, adapter });
    const session = createSession({
      refresh: async ({ refreshToken, signal }) => {
        const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
        return (await api.post("/token", form, { signal })).data;
      },
    });
    attachSession(api, session);
    await session.signIn(server.signIn());
    server.expire();

    const answers = await Promise.all([api.get("/1"), api.get("/2")]);

    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 4, refusals: 2, answers: 2 }),
    );
  });

  test("lets the sign-in call use the instance, and one session serve several instances", async () => {
    const server = createServer();
    const { origin, close } = await listen(server);
    onTestFinished(close);
    const session = createSession({ refresh: refreshAt(origin) });
    const instances = [1, 2, 3].map(() => axios.create({ baseURL: origin, adapter }));
    for (const api of instances) attachSession(api, session);

    await outcomeOf((instances[0] as (typeof instances)[0]).post("/login"));
    await session.signIn(server.signIn());
    server.expire();
    const answers = await Promise.all(instances.map((api) => api.get("/me")));

    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 7, refusals: 4, answers: 3 }),
    );
  });
});

test("is told which origins may see the token, where nothing else says so", () => {
  expect(() => attachSession(axios.create(), other())).toThrow(
    new TypeError(
      'Nothing says which origins may see the token: give `origins`, for example ["https://api.example.com"]',
    ),
  );
  expect(() => attachSession(axios.create(), other(), { origins: ["https://api.test"] })).not.toThrow();
});
