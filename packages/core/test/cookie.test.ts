import { cookie, type SessionOptions } from "@freshtoken/core";
import { createServer, type Fault } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore } from "./shared-store.ts";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

/** A server that knows its user by a cookie: it refuses until a refresh has been asked for. */
function cookieServer(refused = true): {
  server: ReturnType<typeof createServer>;
  refresh: SessionOptions["refresh"];
} {
  const server = createServer();
  let known = !refused;
  server.always("resource", (): Fault => (known ? { json: "hello" } : { refuse: true }));
  const refresh = async () => {
    known = true;
    return Response.json({});
  };
  return { server, refresh };
}

test("starts signed in, and sends no token", async () => {
  const { server, refresh } = cookieServer(false);
  const { session } = sessionOn(server, { clock: createClock(), scheme: cookie(), refresh });

  const { status } = await clientOf(session, server)("/me");

  expect(session.state).toStrictEqual({ status: "signedIn", tokens: {}, refreshing: false });
  expect([status, server.log[0]]).toMatchObject([200, { token: undefined, headers: {} }]);
});

test("refreshes once for requests refused together, and sends them again", async () => {
  const { server, refresh } = cookieServer();
  let refreshes = 0;
  const { session } = sessionOn(server, {
    clock: createClock(),
    scheme: cookie(),
    refresh(context) {
      refreshes++;
      return refresh(context);
    },
  });
  const api = clientOf(session, server);

  const answers = await Promise.all([api("/1"), api("/2"), api("/3")]);

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200]);
  expect([refreshes, server.log.length]).toStrictEqual([1, 6]);
});

test.each<[string, () => Response]>([
  ["an empty object", () => Response.json({})],
  ["an empty body", () => new Response(null, { status: 204 })],
  ["other things", () => Response.json({ csrf: "c1" })],
])("takes an answer of %s for a renewal", async (_, answer) => {
  const { server } = cookieServer();
  const { session } = sessionOn(server, {
    clock: createClock(),
    scheme: cookie(),
    refresh: async () => answer(),
  });
  await session.refresh();

  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
});

test("carries in its fields what rotates beside the cookie", async () => {
  const { server } = cookieServer(false);
  const scheme = cookie({ fields: ({ extra }) => ({ "x-csrf": String(extra?.csrf ?? "none") }) });
  const refresh = async () => Response.json({ csrf: "c1" });
  const { session } = sessionOn(server, { clock: createClock(), scheme, refresh });
  const api = clientOf(session, server);

  await api("/1");
  await session.refresh();
  await api("/2");

  expect(server.log).toMatchObject([{ headers: { "x-csrf": "none" } }, { headers: { "x-csrf": "c1" } }]);
});

test("is signed out once a refresh is rejected", async () => {
  const { server } = cookieServer();
  const { session } = sessionOn(server, {
    clock: createClock(),
    scheme: cookie(),
    refresh: async () => new Response(null, { status: 401 }),
  });

  const { status } = await clientOf(session, server)("/me");

  expect(status).toBe(401);
  expect(session.state).toMatchObject({ status: "signedOut", error: { code: "ERR_REFRESH_REJECTED" } });
});

test("is one family for all who share the cookie", async () => {
  const { server, refresh } = cookieServer();
  const shared = createSharedStore();
  const open = () =>
    sessionOn(server, { clock: createClock(), scheme: cookie(), store: shared.peer(), refresh }).session;
  const [one, two] = [open(), open()];
  await Promise.all([one.loaded, two.loaded]);

  await one.refresh();
  await settled();

  expect(two.state).toMatchObject({ status: "signedIn" });
  expect(shared.held).toMatchObject({ generation: 1 });
});

test("signs in with nothing but what the server sent", async () => {
  const { server, refresh } = cookieServer();
  const { session } = sessionOn(server, { clock: createClock(), scheme: cookie(), refresh });

  await session.signIn({ extra: { csrf: "c0" } });

  expect(session.state).toMatchObject({ status: "signedIn", tokens: { extra: { csrf: "c0" } } });
});
