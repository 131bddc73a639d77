import { createSession, memoryStore, type SessionRecord, type SessionStore } from "@freshtoken/core";
import { createGate, createServer, entriesAt } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

// Where two things meet at the wrong moment.

test("sends a request with its token where a store that answers at once is read again for it", async () => {
  const server = createServer();
  const { access_token: accessToken } = server.signIn();
  let loads = 0;
  const store: SessionStore = {
    load() {
      if (loads++ === 0) throw new Error("busy");
      return { family: "A", generation: 0, tokens: { accessToken } };
    },
    save() {},
  };
  const { session } = sessionOn(server, { store });
  await session.loaded;
  expect((await clientOf(session, server)("/me")).status).toBe(200);
});

test("returns tokens where a store that answers at once is read again for them", async () => {
  let loads = 0;
  const store: SessionStore = {
    load() {
      if (loads++ === 0) throw new Error("busy");
      return { family: "A", generation: 0, tokens: { accessToken: "a0" } };
    },
    save() {},
  };
  const session = createSession({ store, refresh: async () => null });
  await session.loaded;
  expect(await session.tokens()).toStrictEqual({ accessToken: "a0" });
});

test("fails a body that cannot be sent twice when the session it waits for cannot be restored", async () => {
  const clock = createClock();
  const server = createServer();
  const session = createSession({
    clock,
    restore: true,
    refreshAttempts: 1,
    refresh: async () => new Response(null, { status: 503 }),
  });
  const sent = clientOf(session, server)("/upload", { method: "POST", body: "x", replayable: false }).then(
    (r) => r.status,
    (e) => e.code,
  );
  await clock.advance(5000);
  expect([await sent, entriesAt(server.log, "resource").length]).toStrictEqual(["ERR_REFRESH_FAILED", 0]);
});

// a1 is in memory only, and is rejected; the store held a0.
async function rejectedUnsaved() {
  const clock = createClock();
  const inner = memoryStore();
  let calls = 0;
  const session = createSession({
    clock,
    refresh: async () => (calls++ ? null : { access_token: "a1", refresh_token: "r1" }),
    store: {
      load: inner.load,
      save(record, expected) {
        if (record?.generation === 1) throw new Error("full");
        return inner.save(record, expected);
      },
    },
  });
  await session.signIn({ access_token: "a0", refresh_token: "r0" });
  await session.refresh();
  await session.refresh().catch(() => {});
  return { clock, inner, session };
}

test("empties the store of an earlier generation too when its family is rejected", async () => {
  const { clock, inner, session } = await rejectedUnsaved();

  await clock.advance(600_000);

  expect([session.state.status, inner.load()]).toStrictEqual(["signedOut", null]);
});

test("leaves nothing to sign out of when the store held an earlier generation of what was rejected", async () => {
  const { inner, session } = await rejectedUnsaved();

  await session.signOut();

  expect(inner.load()).toBe(null);
});

test("revokes what was signed out though the session is closed while the store is read", async () => {
  const inner = memoryStore();
  const read = createGate();
  let slow = false;
  const revoked: unknown[] = [];
  const session = createSession({
    clock: createClock(),
    refresh: async () => null,
    revoke: async (t) => void revoked.push(t.accessToken),
    store: {
      ...inner,
      async load() {
        if (slow) await read.pass();
        return inner.load();
      },
    },
  });
  await session.signIn({ access_token: "a0" });
  slow = true;
  void session.signOut();
  const closed = session.close();
  await settled();
  read.open();
  await closed;
  await settled();
  expect(revoked).toStrictEqual(["a0"]);
});

test("gives waitUntil a revocation that still waits for the store", async () => {
  const inner = memoryStore();
  const read = createGate();
  let slow = false;
  const heard: Promise<unknown>[] = [];
  const revoked: unknown[] = [];
  const session = createSession({
    clock: createClock(),
    refresh: async () => null,
    waitUntil: (w) => void heard.push(w),
    revoke: async (t) => void revoked.push(t.accessToken),
    store: {
      ...inner,
      async load() {
        if (slow) await read.pass();
        return inner.load();
      },
    },
  });
  await session.signIn({ access_token: "a0" });
  slow = true;
  const signedOut = session.signOut();
  const count = heard.length;
  read.open();
  await signedOut;
  await settled();
  expect([count, revoked]).toStrictEqual([1, ["a0"]]);
});

test("does not let a slow look undo what a later one found", async () => {
  const clock = createClock();
  const inner = memoryStore();
  const slow = createGate();
  const own: SessionRecord = { family: "A", generation: 0, tokens: { accessToken: "a0" } };
  inner.save(own);
  let hint = () => {};
  let lag = false;
  const session = createSession({
    clock,
    refresh: async () => null,
    store: {
      save: inner.save,
      async load() {
        const read = inner.load();
        if (lag) {
          lag = false;
          await slow.pass();
        }
        return read;
      },
      subscribe(run) {
        hint = run;
        return () => {};
      },
    },
  });
  await session.loaded;
  const told: string[] = [];
  session.subscribe((e) => told.push(e.type));
  inner.save(null);
  lag = true;
  hint(); // another signs out: the look is slow
  await settled();
  inner.save({ family: "B", generation: 0, tokens: { accessToken: "b0" } }); // and in, and the hint comes last
  await session.refresh().catch(() => {}); // the round's own look finds B
  expect(session.state).toMatchObject({ status: "signedIn" });
  slow.open();
  await settled();
  expect([session.state.status, told.filter((t) => t === "signedOut")]).toStrictEqual(["signedIn", []]);
});

test("heeds a hint that comes during the first load", async () => {
  const inner = memoryStore();
  inner.save({ family: "A", generation: 0, tokens: { accessToken: "a0" } });
  const slow = createGate();
  let loads = 0;
  let hint = () => {};
  const session = createSession({
    clock: createClock(),
    refresh: async () => null,
    store: {
      save: inner.save,
      async load() {
        const read = inner.load();
        if (loads++ === 0) await slow.pass();
        return read;
      },
      subscribe(run) {
        hint = run;
        return () => {};
      },
    },
  });
  inner.save(null);
  hint();
  await settled();
  slow.open();
  await session.loaded;
  await settled();
  expect(session.state.status).toBe("signedOut");
});

test("does not send a request that is aborted while its scheme makes the fields", async () => {
  const think = createGate();
  let sends = 0;
  const session = createSession({
    refresh: async () => null,
    scheme: {
      sendsToken: true,
      async fields() {
        await think.pass();
        return {};
      },
    },
  });
  await session.signIn({ access_token: "a0" });
  const c = new AbortController();
  const end = session
    .connect({ origins: ["https://a.test"] })
    .send({
      url: "https://a.test",
      method: "GET",
      replayable: true,
      signal: c.signal,
      send: async () => {
        sends++;
        return 200;
      },
      answer: (status) => ({ status, field: () => null, response: status }),
      release: (r) => r,
    })
    .catch((e) => e.message);
  c.abort(new Error("mine"));
  think.open();
  expect([await end, sends]).toStrictEqual(["mine", 0]);
});

test("refresh() returns another's tokens who signed in while it was being restored", async () => {
  const inner = memoryStore();
  let hint = () => {};
  const session = createSession({
    clock: createClock(),
    restore: true,
    refresh: () => new Promise(() => {}),
    store: {
      ...inner,
      subscribe(run) {
        hint = run;
        return () => {};
      },
    },
  });
  const asked = session.refresh().then(
    (t) => t.accessToken,
    (e) => e.code,
  );
  await settled();
  inner.save({ family: "B", generation: 0, tokens: { accessToken: "b0" } });
  hint();
  expect(await asked).toBe("b0");
});

test("starts no round for a session that is closed while it is loaded", async () => {
  const load = createGate();
  let calls = 0;
  const session = createSession({
    clock: createClock(),
    restore: true,
    refresh: async () => {
      calls++;
      return { access_token: "a" };
    },
    store: {
      ...memoryStore(),
      async load() {
        await load.pass();
        return null;
      },
    },
  });
  const closed = session.close();
  load.open();
  await closed;
  await settled();
  expect(calls).toBe(0);
});

test("closes when the rounds that were overtaken have ended, and keeps what is served", async () => {
  const clock = createClock();
  const gates = [createGate(), createGate(), createGate()];
  const inner = memoryStore();
  const revoked: unknown[] = [];
  let n = 0;
  const session = createSession({
    clock,
    store: inner,
    revoke: async (t) => void revoked.push(t.accessToken),
    refresh: async () => {
      const i = n++;
      await gates[i]?.pass();
      return { access_token: `late${i}` };
    },
  });
  for (const i of [0, 1, 2]) {
    await session.signIn({ access_token: `s${i}` });
    session.refresh().catch(() => {});
    await settled();
  }
  let closed = false;
  void session.close().then(() => (closed = true));
  gates[2]?.open();
  await settled();
  const early = closed;
  gates[0]?.open();
  gates[1]?.open();
  await settled();
  expect([
    early,
    closed,
    revoked,
    (inner.load() as SessionRecord).tokens.accessToken,
    clock.timers.all,
  ]).toStrictEqual([false, true, [], "late2", 0]);
});

test("takes a write of its own for its own when it is heard of before it has ended", async () => {
  const inner = memoryStore();
  const reply = createGate();
  let hint = () => {};
  let slow = false;
  const session = createSession({
    clock: createClock(),
    refresh: async () => ({ access_token: "a1" }),
    store: {
      load: inner.load,
      async save(r, e) {
        const won = await inner.save(r, e);
        if (slow) {
          hint();
          await reply.pass();
        }
        return won;
      },
      subscribe(run) {
        hint = run;
        return () => {};
      },
    },
  });
  await session.signIn({ access_token: "a0" });
  const told: unknown[] = [];
  session.subscribe((e) => told.push(e));
  slow = true;
  const done = session.refresh();
  await settled();
  reply.open();
  await done;
  await settled();
  expect(told).toStrictEqual([
    { type: "refreshStarted", reason: "requested", attempt: 1 },
    { type: "refreshed", by: "us" },
  ]);
});
