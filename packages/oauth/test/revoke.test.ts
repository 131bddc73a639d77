import { entriesAt, ledger } from "@freshtoken/testing";
import { expect, test, vi } from "vitest";
import { account, begin, formsAt, scripted } from "./support.ts";

test("revokes the newest refresh token at sign-out", async () => {
  const { server, oauth } = scripted();
  const { session } = await begin({ server, oauth });
  await session.refresh();

  await session.signOut();
  await server.when((log) => entriesAt(log, "revoke").some(({ outcome }) => outcome === "revoked"));

  expect(formsAt(server, "revoke")).toStrictEqual([
    [
      ["token", "r1"],
      ["client_id", "web"],
    ],
  ]);
  expect(ledger(server.log)).toStrictEqual(
    account({ signIns: 1, attempts: 1, refreshes: 1, revocations: 1, requests: 1, answers: 1 }),
  );
});

test("revokes the access token where there is no refresh token", async () => {
  const { server, oauth } = scripted();

  await oauth.session().revoke({ accessToken: "a0" });

  expect(formsAt(server, "revoke")[0]).toContainEqual(["token", "a0"]);
});

test("revokes the late result of a refresh that a sign-out overtook", async () => {
  const { server, oauth } = scripted();
  const { session } = await begin({ server, oauth });
  const gate = server.gate("token", "answer");
  const refreshed = session.refresh().catch(() => {});
  await gate.reached(1);

  await session.signOut();
  await server.when((log) => entriesAt(log, "revoke").length === 1);
  gate.open();
  await refreshed;
  await server.when((log) => entriesAt(log, "revoke").filter(({ presented }) => presented).length === 2);

  expect(entriesAt(server.log, "revoke").map(({ presented }) => presented)).toStrictEqual(["r0", "r1"]);
});

test.each([{ status: 503 }, { reset: "before" as const }, { hang: "before" as const }])(
  "signs out at once although the revocation is answered %j",
  async (fault) => {
    const { server, oauth } = scripted();
    const { session, events } = await begin({ server, oauth });
    server.next("revoke", fault);

    await session.signOut();

    expect(session.state).toStrictEqual({ status: "signedOut" });
    expect(events).toStrictEqual([{ type: "signedOut", by: "us" }]);
  },
);

test("gives the socket of a revocation back, unread", async () => {
  const { server, oauth } = scripted();
  const cancelled = vi.fn();
  server.next("revoke", { alter: () => new Response(new ReadableStream({ cancel: cancelled })) });

  await oauth.session().revoke({ refreshToken: "r0" });

  expect(cancelled).toHaveBeenCalledTimes(1);
});

test("revokes nothing where the server has no revocation endpoint", async () => {
  const { server, oauth } = scripted({ server: { token_endpoint: "https://server.test/token" } });

  await oauth.session().revoke({ accessToken: "a0", refreshToken: "r0" });

  expect(server.log).toStrictEqual([]);
});

test("revokes nothing where there is no token", async () => {
  const { server, oauth } = scripted();

  await oauth.session().revoke({});

  expect(server.log).toStrictEqual([]);
});

test("sends no token to a revocation endpoint over plain http", async () => {
  const { server, oauth } = scripted({
    server: { token_endpoint: "https://server.test/token", revocation_endpoint: "http://server.test/revoke" },
  });

  await expect(oauth.session().revoke({ refreshToken: "r0" })).rejects.toMatchObject({
    code: "ERR_METADATA_INVALID",
  });
  expect(server.log).toStrictEqual([]);
});
