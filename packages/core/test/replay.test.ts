import {
  type Answer,
  bearer,
  type Exchange,
  NotReplayableError,
  type Scheme,
  type Session,
  SignedOutError,
} from "@freshtoken/core";
import { ledger, type Server, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { begin, settled } from "./support.ts";

const LIFETIME = 3_600_000;
const REFUSED = [401, { error: "invalid_token" }];

async function wholeOf(answer: Response | Promise<Response>) {
  const response = await answer;
  return [response.status, await response.json()];
}

test("replays a refused request, body and method, with the newer token", async () => {
  const { server, request } = await begin();
  server.expire();

  const answer = await request("/me?page=2", { method: "POST", body: "twelve bytes" });

  expect(await wholeOf(answer)).toStrictEqual([
    200,
    { method: "POST", path: "/me", search: "?page=2", family: 1, generation: 1, length: 12 },
  ]);
  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "expire: a0",
    "→ POST /me?page=2 a0",
    "← 401 POST /me?page=2 a0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "→ POST /me?page=2 a1",
    "← 200 POST /me?page=2 a1",
  ]);
});

test("gives the caller the last answer when a fresh token is refused too, after one round", async () => {
  const { server, request } = await begin();
  server.always("/me", ({ at }) => (at === "resource" ? { refuse: "Bearer realm=last" } : undefined));

  const answer = await request("/me");

  expect(await wholeOf(answer)).toStrictEqual(REFUSED);
  expect(answer.headers.get("www-authenticate")).toBe("Bearer realm=last");
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, requests: 2, refusals: 2 });
});

test("waits for at most one round, also when it was held before", async () => {
  const { clock, server, request } = await begin();
  clock.jump(LIFETIME);
  server.always("/me", { refuse: true });

  expect((await request("/me")).status).toBe(401);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, requests: 2, refusals: 2 });
});

test("sends a request three times at most, however many newer generations there are", async () => {
  const { server, session, request } = await begin();
  const answers = server.gate("/me", "answer");
  server.always("/me", { refuse: true });

  const answer = request("/me");
  for (const _ of [1, 2, 3]) {
    await answers.reached(1);
    await session.refresh();
    answers.step();
  }

  expect(await wholeOf(answer)).toStrictEqual(REFUSED);
  expect(story(server.log).filter((line) => line.startsWith("→ GET"))).toStrictEqual([
    "→ GET /me a0",
    "→ GET /me a1",
    "→ GET /me a2",
  ]);
});

test("waits for at most one round, also when its replay was held for that one", async () => {
  const { server, session, request } = await begin();
  const late = server.gate("/late", "answer");
  server.always("/late", { refuse: true });
  const slow = request("/late");
  await session.refresh();
  server.expire();
  const refreshing = server.gate("token");

  const quick = request("/quick");
  await refreshing.reached(1);
  late.open();
  await settled();
  refreshing.open();

  expect([(await slow).status, (await quick).status]).toStrictEqual([401, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, requests: 4, refusals: 3 });
});

test("sets off no refresh with the refusal of its third send", async () => {
  const { server, session, request } = await begin();
  const answers = server.gate("/me", "answer");
  server.always("/me", { refuse: true });

  const answer = request("/me");
  for (const _ of [1, 2]) {
    await answers.reached(1);
    await session.refresh();
    answers.step();
  }
  answers.open();

  expect((await answer).status).toBe(401);
  await settled();
  expect(ledger(server.log)).toMatchObject({ attempts: 2, requests: 3, refusals: 3 });
});

test("replays only with a newer generation", async () => {
  const { server, request } = await begin({ refusalLimit: { max: 0, within: 1 } });
  server.next("/me", { refuse: true });

  expect(await wholeOf(request("/me"))).toStrictEqual(REFUSED);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1, refusals: 1 });
});

test("replays with the same generation when the scheme asks", async () => {
  const { server, request } = await begin({ scheme: nonces() });
  server.next("/me", { status: 401, headers: { "dpop-nonce": "n1" } });

  expect((await request("/me")).status).toBe(200);
  expect(story(server.log).filter((line) => line.startsWith("→"))).toStrictEqual([
    "→ GET /me a0",
    "→ GET /me a0",
  ]);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 2, refusals: 1, answers: 1 });
});

test("counts a replay that the scheme asks for as a send, and gives back the third answer", async () => {
  const { server, request } = await begin({ scheme: nonces() });
  server.always("/me", { status: 401, json: { nonce: "missing" }, headers: { "dpop-nonce": "n1" } });

  expect(await wholeOf(request("/me"))).toStrictEqual([401, { nonce: "missing" }]);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 3, refusals: 3 });
});

test("asks the scheme for its fields anew for every send", async () => {
  const asked: unknown[] = [];
  const scheme: Scheme = {
    ...bearer(),
    async fields({ accessToken }, request) {
      asked.push([accessToken, request]);
      return { authorization: `Bearer ${accessToken}` };
    },
  };
  const { server, request } = await begin({ scheme });
  server.expire();

  await request("/me?page=2");

  const line = { url: "https://server.test/me?page=2", method: "GET" };
  expect(asked).toStrictEqual([
    ["a0", line],
    ["a1", line],
  ]);
});

test("releases a refused response before it waits", async () => {
  const { server, session } = await begin();
  const refreshing = server.gate("token");
  server.expire();
  const { exchange, steps } = recorded(server);

  const answer = connect(session, server).send(exchange);
  await refreshing.reached(1);
  expect(steps).toStrictEqual(["send", "answer 401", "release"]);
  refreshing.open();

  await answer;
  expect(steps).toStrictEqual(["send", "answer 401", "release", "send", "answer 200"]);
});

test("releases a refused response before a replay that waits for nothing", async () => {
  const { server, session } = await begin();
  const late = server.gate("/me", "answer");
  server.expire();
  const { exchange, steps } = recorded(server);

  const answer = connect(session, server).send(exchange);
  await session.refresh();
  late.open();
  await answer;

  expect(steps).toStrictEqual(["send", "answer 401", "release", "send", "answer 200"]);
});

test("releases an answer that the scheme replays", async () => {
  const { server, session } = await begin({ scheme: nonces() });
  server.next("/me", { status: 401, headers: { "dpop-nonce": "n1" } });
  const { exchange, steps } = recorded(server);

  await connect(session, server).send(exchange);

  expect(steps).toStrictEqual(["send", "answer 401", "release", "send", "answer 200"]);
});

test("releases a refused response whose caller gets an error in its place", async () => {
  const { server, session } = await begin();
  const late = server.gate("/me", "answer");
  server.expire();
  const { exchange, steps } = recorded(server);

  const answer = connect(session, server).send(exchange);
  await session.signOut();
  late.open();

  await expect(answer).rejects.toThrow(SignedOutError);
  expect(steps).toStrictEqual(["send", "answer 401", "release"]);
});

test("does not wait for a release that never ends", async () => {
  const { server, session } = await begin();
  server.expire();
  const { exchange } = recorded(server, () => new Promise(() => {}));

  expect((await connect(session, server).send(exchange)).status).toBe(200);
});

test("gives a caller who gets the refused response after all what release kept of it", async () => {
  const { server, session } = await begin();
  server.expire();
  server.withdraw();
  const kept = new Response("kept", { status: 401 });
  const { exchange } = recorded(server, async () => kept);

  expect(await connect(session, server).send(exchange)).toBe(kept);
});

test("gives a caller the response itself where release fails", async () => {
  const { server, session } = await begin();
  server.expire();
  server.withdraw();
  const { exchange, responses } = recorded(server, () => {
    throw new Error("cannot be released");
  });

  expect(await connect(session, server).send(exchange)).toBe(responses[0]);
});

test("leaves a response alone that its caller gets at once", async () => {
  const { server, session } = await begin();
  server.always("/me", { refuse: true });
  const { exchange, steps, responses } = recorded(server);

  expect(await connect(session, server).send(exchange)).toBe(responses[1]);
  expect(steps).toStrictEqual(["send", "answer 401", "release", "send", "answer 401"]);
});

test("refreshes for the next call when a body that cannot be sent twice was refused", async () => {
  const { server, request } = await begin();
  server.expire();

  const once = request("/upload", { method: "POST", body: "stream", replayable: false });

  await expect(once).rejects.toThrow(NotReplayableError);
  expect((await request("/me")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, requests: 2, refusals: 1 });
});

test("never sends a one-time body twice, even when a newer token is there or the scheme asks", async () => {
  const { server, session, request } = await begin({ scheme: nonces() });
  const late = server.gate("/late", "answer");
  server.next("/late", { refuse: true });
  server.next("/nonce", { status: 401, headers: { "dpop-nonce": "n1" } });

  const slow = request("/late", { method: "POST", body: "stream", replayable: false });
  await session.refresh();
  late.open();

  await expect(slow).rejects.toThrow(NotReplayableError);
  await expect(request("/nonce", { method: "POST", replayable: false })).rejects.toThrow(NotReplayableError);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, refusals: 2 });
});

test("sends a body that cannot be sent twice only after an ageing token is refreshed", async () => {
  const { clock, server, request } = await begin();
  clock.jump(LIFETIME - 30_000);

  const once = await request("/upload", { method: "POST", body: "stream", replayable: false });

  expect(once.status).toBe(200);
  expect(story(server.log)).toStrictEqual([
    "signIn: a0 r0",
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "→ POST /upload a1",
    "← 200 POST /upload a1",
  ]);
});

test("holds a body that cannot be sent twice while an ageing token is being refreshed", async () => {
  const { clock, server, request } = await begin();
  const refreshing = server.gate("token");
  clock.jump(LIFETIME - 30_000);
  await request("/me");

  const once = request("/upload", { method: "POST", replayable: false });
  await settled();
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1 });
  refreshing.open();

  expect((await once).status).toBe(200);
  expect(story(server.log)).toContain("→ POST /upload a1");
});

test("sends a body that cannot be sent twice with the ageing token when its refresh fails", async () => {
  const { clock, server, request } = await begin({ refreshAttempts: 1 });
  clock.jump(LIFETIME - 30_000);
  server.next("token", { status: 503 });

  const once = await request("/upload", { method: "POST", replayable: false });

  expect(once.status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 0, requests: 1 });
});

test("sends a body that cannot be sent twice with a fresh token at once", async () => {
  const { server, request } = await begin();

  expect((await request("/upload", { method: "POST", replayable: false })).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 1 });
});

test("replays one request for each refusal, whatever came of the others", async () => {
  const { server, request } = await begin();
  const answers = server.gate("/slow", "answer");
  server.expire();

  const slow = request("/slow");
  const failed = request("/broken");
  server.next("/broken", { reset: "before" });

  await expect(failed).rejects.toThrow("fetch failed");
  answers.open();
  expect((await slow).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 4, refusals: 2, unanswered: 1 });
});

/** Bearer tokens, and a replay wherever the answer brings a nonce. */
function nonces(): Scheme {
  const answered = (answer: Answer) => (answer.field("dpop-nonce") ? ("replay" as const) : undefined);
  return { ...bearer(), answered };
}

function connect(session: Session, server: Server) {
  return session.connect({ origins: [server.origin] });
}

/** A GET of /me that notes what is done with it. */
function recorded(server: Server, release?: Exchange<Response>["release"]) {
  const steps: string[] = [];
  const responses: Response[] = [];
  const url = `${server.origin}/me`;
  const exchange: Exchange<Response> = {
    url,
    method: "GET",
    replayable: true,
    async send(headers) {
      steps.push("send");
      const response = await server.fetch(url, { headers });
      responses.push(response);
      return response;
    },
    answer(response) {
      steps.push(`answer ${response.status}`);
      return { status: response.status, field: (name) => response.headers.get(name), response };
    },
    release(response) {
      steps.push("release");
      return release ? release(response) : response;
    },
  };
  return { exchange, steps, responses };
}

test("fails a body that cannot be sent twice with the others when a refused token's refresh fails", async () => {
  const { server, request } = await begin({ refreshAttempts: 1 });
  server.expire();
  server.next("token", { status: 503 });
  const gate = server.gate("token");
  const refused = request("/refused").catch(({ code }) => code);
  await gate.reached(1);

  const stream = request("/stream", { method: "POST", replayable: false }).catch(({ code }) => code);
  gate.open();

  expect([await refused, await stream]).toStrictEqual(["ERR_REFRESH_FAILED", "ERR_REFRESH_FAILED"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1 });
});
