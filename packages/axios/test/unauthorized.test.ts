import { Readable } from "node:stream";
import { createSession, type Session, type SessionOptions } from "@freshtoken/core";
import {
  createClock,
  createServer,
  entriesAt,
  type Fault,
  type Ledger,
  ledger,
  type Server,
} from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import axios, { type AxiosRequestConfig, type AxiosResponse } from "axios";
import { describe, expect, onTestFinished, test } from "vitest";
import { attachSession } from "../src/index.ts";
import { type AdapterName, account, adapters, refreshAt, replayedOnce, stage } from "./support.ts";

const HOUR = 3_600_000;
const MINUTE = 60_000;

type Order = "before" | "after";
type Scene = Awaited<ReturnType<typeof scene>>;

/** A stage whose tokens live an hour, and whose user goes to the sign-in page on a 401. */
async function scene(adapter: AdapterName, order: Order, options: Partial<SessionOptions> = {}) {
  const clock = createClock();
  const server = createServer({ expiresIn: HOUR / 1000, now: clock.now });
  const all = await stage(adapter, { clock, server, refreshAttempts: 1, ...options });
  const redirects: unknown[] = [];
  if (order === "before") all.detach();
  all.api.interceptors.response.use(null, (error) => {
    if (error.response?.status === 401) redirects.push(error.config.url);
    throw error;
  });
  if (order === "before") attachSession(all.api, all.session);
  const get = (url: string, config?: AxiosRequestConfig) => endOf(all.api.get(url, config));
  return { ...all, clock, redirects, get };
}

/** How a request ends: its status, or the code of its error. */
function endOf(answer: Promise<AxiosResponse>): Promise<unknown> {
  return answer.then(
    ({ status }) => status,
    (error) => error.response?.status ?? error.code,
  );
}

/** Does something while a request waits for a refresh, which is answered when the request has ended. */
async function meanwhile(scene: Scene, act: () => unknown, config?: AxiosRequestConfig): Promise<unknown> {
  const gate = scene.server.gate("token");
  const end = scene.get("/waiting", config);
  await gate.reached(1);
  await act();
  const ended = await end;
  gate.open();
  await answered(scene.server);
  return ended;
}

function answered({ when }: Server): Promise<void> {
  return when((log) => entriesAt(log, "token").some(({ answered }) => answered !== undefined));
}

interface Situation {
  readonly where: string;
  readonly options?: Partial<SessionOptions>;
  run(scene: Scene): Promise<unknown>;
  /** What that comes to. */
  readonly ends: unknown;
  readonly redirects?: readonly string[];
  readonly state?: Session["state"]["status"];
  readonly lines: Partial<Ledger>;
}

const once = { attempts: 1, requests: 1, refusals: 1 };

const outages: readonly [string, Fault][] = [
  ["a 500", { status: 500 }],
  ["a 503", { status: 503 }],
  ["a 429", { status: 429, retryAfter: 60 }],
  ["a reset connection", { reset: "before" }],
  ["a page of HTML", { html: true }],
  ["a page of HTML with status 401", { html: true, status: 401 }],
  ["an answer without a token", { json: {} }],
  ["invalid_client", { error: "invalid_client" }],
];

const unseen: readonly Situation[] = [
  {
    where: "the token is fresh",
    run: ({ get }) => get("/me"),
    ends: 200,
    lines: { requests: 1, answers: 1 },
  },
  {
    where: "a refused token is refreshed",
    run({ server, get }) {
      server.expire();
      return get("/me");
    },
    ends: 200,
    lines: replayedOnce,
  },
  {
    where: "a stale token is refreshed before anything is sent",
    run({ clock, get }) {
      clock.jump(HOUR);
      return get("/me");
    },
    ends: 200,
    lines: { attempts: 1, refreshes: 1, requests: 1, answers: 1 },
  },
  {
    where: "a refusal arrives after the refresh",
    async run({ server, get }) {
      const gate = server.gate("/late", "answer");
      server.expire();
      const late = get("/late");
      await gate.reached(1);
      const early = await get("/early");
      gate.open();
      return [early, await late];
    },
    ends: [200, 200],
    lines: { attempts: 1, refreshes: 1, requests: 4, refusals: 2, answers: 2 },
  },
  ...outages.map(
    ([name, fault]): Situation => ({
      where: `the refresh meets ${name}`,
      async run({ server, get }) {
        server.expire();
        server.always("token", fault);
        return [await get("/refused"), await get("/again")];
      },
      ends: ["ERR_REFRESH_FAILED", "ERR_REFRESH_FAILED"],
      lines: { attempts: 1, requests: 2, refusals: 2 },
    }),
  ),
  {
    where: "the refresh does not answer in time",
    async run({ server, clock, get }) {
      server.expire();
      server.always("token", { hang: "before" });
      const end = get("/refused");
      await server.when((log) => entriesAt(log, "token").length === 1);
      await clock.advance(10_000);
      return end;
    },
    ends: "ERR_REFRESH_FAILED",
    lines: once,
  },
  {
    where: "a refresh fails before anything is sent",
    async run({ server, clock, get }) {
      clock.jump(HOUR);
      server.always("token", { status: 503 });
      return [await get("/held"), await get("/again")];
    },
    ends: ["ERR_REFRESH_FAILED", "ERR_REFRESH_FAILED"],
    lines: { attempts: 1 },
  },
  {
    where: "a refresh in the background fails",
    async run({ server, clock, get }) {
      server.next("token", { status: 503 });
      clock.jump(HOUR - MINUTE / 2);
      const end = await get("/me");
      await answered(server);
      return end;
    },
    ends: 200,
    lines: { attempts: 1, requests: 1, answers: 1 },
  },
  {
    where: "the refresh is rejected before anything is sent",
    run({ server, clock, get }) {
      server.withdraw();
      clock.jump(HOUR);
      return get("/held");
    },
    ends: "ERR_REFRESH_REJECTED",
    state: "signedOut",
    lines: { attempts: 1 },
  },
  {
    where: "a refused request is overtaken by a sign-out",
    run(scene) {
      scene.server.expire();
      return meanwhile(scene, scene.session.signOut);
    },
    ends: "ERR_SIGNED_OUT",
    state: "signedOut",
    lines: { ...once, refreshes: 1 },
  },
  {
    where: "a held request is overtaken by a sign-out",
    run(scene) {
      scene.clock.jump(HOUR);
      return meanwhile(scene, scene.session.signOut);
    },
    ends: "ERR_SIGNED_OUT",
    state: "signedOut",
    lines: { attempts: 1, refreshes: 1 },
  },
  {
    where: "a refused request is overtaken by another sign-in",
    run(scene) {
      scene.server.expire();
      return meanwhile(scene, () => scene.session.signIn(scene.server.signIn()));
    },
    ends: "ERR_SIGNED_OUT",
    lines: { ...once, signIns: 2, refreshes: 1 },
  },
  {
    where: "a refused request is cancelled while it waits",
    run(scene) {
      const controller = new AbortController();
      scene.server.expire();
      return meanwhile(scene, () => controller.abort(), { signal: controller.signal });
    },
    ends: "ERR_CANCELED",
    lines: { ...once, refreshes: 1 },
  },
  {
    where: "a refused body cannot be sent again",
    async run({ server, session, api }) {
      server.expire();
      const end = await endOf(api.post("/upload", Readable.from(["body"])));
      await session.tokens();
      return end;
    },
    ends: "ERR_NOT_REPLAYABLE",
    lines: { ...once, refreshes: 1 },
  },
];

const seen: readonly Situation[] = [
  {
    where: "the refresh is rejected, though not what is held",
    async run({ server, get }) {
      const gate = server.gate("token");
      server.withdraw();
      const refused = get("/refused");
      await gate.reached(1);
      const held = get("/held");
      gate.open();
      return Promise.all([refused, held]);
    },
    ends: [401, "ERR_REFRESH_REJECTED"],
    redirects: ["/refused"],
    state: "signedOut",
    lines: once,
  },
  {
    where: "the refresh is rejected, once for each that was refused",
    async run(scene) {
      const gate = scene.server.gate("resource", "answer");
      scene.server.withdraw();
      const ends = Promise.all(["/1", "/2", "/3"].map((path) => scene.get(path)));
      await gate.reached(3);
      gate.open();
      return ends;
    },
    ends: [401, 401, 401],
    redirects: ["/1", "/2", "/3"],
    state: "signedOut",
    lines: { attempts: 1, requests: 3, refusals: 3 },
  },
  {
    where: "the fresh token is refused too",
    run({ server, get }) {
      server.always("/me", { refuse: true });
      return get("/me");
    },
    ends: 401,
    redirects: ["/me"],
    lines: { attempts: 1, refreshes: 1, requests: 2, refusals: 2 },
  },
  {
    where: "the server refuses fresh tokens up to the refusal limit",
    options: { refusalLimit: { max: 1, within: 30_000 } },
    async run({ server, get }) {
      server.expire();
      const first = await get("/first");
      server.expire();
      return [first, await get("/second")];
    },
    ends: [200, 401],
    redirects: ["/second"],
    lines: { attempts: 1, refreshes: 1, requests: 3, refusals: 2, answers: 1 },
  },
  ...["insufficient_scope", "insufficient_user_authentication"].map((error) => ({
    where: `the challenge says ${error}`,
    run({ server, get }: Scene) {
      server.always("/me", { refuse: `Bearer error="${error}"` });
      return get("/me");
    },
    ends: 401,
    redirects: ["/me"],
    lines: { requests: 1, refusals: 1 },
  })),
  {
    where: "the session was signed out before",
    async run({ session, get }) {
      await session.signOut();
      return get("/me");
    },
    ends: 401,
    redirects: ["/me"],
    state: "signedOut",
    lines: { requests: 1, refusals: 1 },
  },
  {
    where: "the session was ended by a refresh before",
    async run({ server, session, get }) {
      server.withdraw();
      await session.refresh().catch(() => {});
      return get("/me");
    },
    ends: 401,
    redirects: ["/me"],
    state: "signedOut",
    lines: once,
  },
  {
    where: "the request opted out by session: false",
    run: ({ get }) => get("/me", { session: false }),
    ends: 401,
    redirects: ["/me"],
    lines: { requests: 1, refusals: 1 },
  },
  {
    where: "the request has an Authorization of its own",
    run: ({ get }) => get("/me", { headers: { authorization: "Bearer own" } }),
    ends: 401,
    redirects: ["/me"],
    lines: { requests: 1, refusals: 1 },
  },
  {
    where: "the sign-in call is refused, and a good one signs in",
    async run({ server, session, api, get }) {
      await session.signOut();
      server.next("/sign-in", { refuse: true }, { json: server.signIn() });
      const wrong = await endOf(api.post("/sign-in", { password: "wrong" }));
      await session.signIn((await api.post("/sign-in", { password: "right" })).data);
      return [wrong, await get("/me")];
    },
    ends: [401, 200],
    redirects: ["/sign-in"],
    lines: { signIns: 2, requests: 3, refusals: 1, answers: 2 },
  },
];

for (const adapter of adapters) {
  describe.each<Order>(["before", "after"])(
    `through the ${adapter} adapter, a redirect on 401 that is installed %s the session`,
    (order) => {
      test.each(named(unseen))("sees no 401 where %s", (_, situation) => show(adapter, order, situation));

      test.each(named(seen))("sees the 401 where %s", (_, situation) => show(adapter, order, situation));
    },
  );
}

function named(situations: readonly Situation[]) {
  return situations.map((situation) => [situation.where, situation] as const);
}

async function show(adapter: AdapterName, order: Order, situation: Situation): Promise<void> {
  const { run, options, ends, redirects = [], state = "signedIn", lines } = situation;
  const stage = await scene(adapter, order, options);

  const ended = await run(stage);

  expect([ended, stage.redirects]).toStrictEqual([ends, redirects]);
  expect(stage.session.state.status).toBe(state);
  expect(ledger(stage.server.log)).toStrictEqual(account(lines));
}

test.each(adapters)("sees no 401 where the store cannot be read, through the %s adapter", async (adapter) => {
  const server = createServer();
  const { origin, close } = await listen(server);
  onTestFinished(close);
  const load = () => Promise.reject(new Error("disk full"));
  const session = createSession({ refresh: refreshAt(origin), store: { load, save() {} } });
  const api = axios.create({ baseURL: origin, adapter });
  attachSession(api, session);
  await session.loaded;

  const end = await endOf(api.get("/me"));

  expect(end).toBe("ERR_REFRESH_FAILED");
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 0 }));
});

test.each(adapters)("lets a handler sign out on 401, through the %s adapter", async (adapter) => {
  const { server, session, api, redirects, get } = await scene(adapter, "after");
  api.interceptors.response.use(null, async (error) => {
    if (error.response?.status === 401) await session.signOut();
    throw error;
  });
  server.always("/me", { refuse: true });

  const ends = [await get("/me"), await get("/other")];

  expect([ends, redirects, session.state.status]).toStrictEqual([[401, 401], ["/me", "/other"], "signedOut"]);
  expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 3, refusals: 3 }));
});
