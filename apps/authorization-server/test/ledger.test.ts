import { EventEmitter } from "node:events";
import type Provider from "oidc-provider";
import { expect, test } from "vitest";
import { keepLedger } from "../src/ledger.ts";

test("counts a presentation once where the provider fails after it consumed the token", () => {
  const provider = new EventEmitter();
  const ledger = keepLedger(provider as unknown as Provider); // only its events are listened to
  const token = { jti: "r0", grantId: "g", accountId: "alice" };
  const oidc = { route: "token", params: { refresh_token: "r0" }, entities: { RotatedRefreshToken: token } };

  provider.emit("refresh_token.saved", token);
  provider.emit("refresh_token.consumed", token);
  provider.emit("server_error", { oidc }, new Error("no entropy"));

  expect(ledger.presentations).toStrictEqual([
    { token: 1, family: 1, account: "alice", again: false, outcome: "rotated" },
  ]);
});
