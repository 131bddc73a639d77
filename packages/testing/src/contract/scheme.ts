import type { Scheme } from "@freshtoken/core";
import { assert } from "chai";
import type { Case } from "./case.ts";

/** Numbers what it makes, and asks for another where the server says so, as DPoP does. */
function numbered(): Scheme {
  let proofs = 0;
  return {
    sendsToken: true,
    async fields({ accessToken }, { method, url }) {
      proofs += 1;
      return {
        authorization: `Bearer ${accessToken}`,
        "x-proof": `${proofs} ${method} ${new URL(url).pathname}`,
      };
    },
    answered(answer) {
      return answer.field("WWW-Authenticate")?.includes("use_dpop_nonce") ? "replay" : undefined;
    },
  };
}

/** What the session's scheme says goes with each attempt, and it hears of each answer. */
export const scheme: readonly Case[] = [
  {
    title: "sends the fields that the scheme makes for each attempt, and none of an earlier one",
    async run(open) {
      const { server, send, arrivals } = await open({ scheme: numbered() });
      await server.expire();

      assert.equal((await send("/me", { method: "PUT", body: "body" })).status, 200);
      assert.deepEqual(
        (await arrivals()).map(({ headers }) => [headers.authorization, headers["x-proof"]]),
        [
          ["Bearer a0", "1 PUT /me"],
          ["Bearer a1", "2 PUT /me"],
        ],
      );
    },
  },
  {
    title:
      "shows the scheme each answer and its fields, and replays without a refresh where it asks for that",
    async run(open) {
      const { server, send, arrivals, ledger } = await open({ scheme: numbered() });
      await server.next("/me", { refuse: 'DPoP error="use_dpop_nonce"' });

      assert.equal((await send("/me")).status, 200);
      assert.deepEqual(
        (await arrivals()).map(({ headers }) => headers["x-proof"]),
        ["1 GET /me", "2 GET /me"],
      );
      assert.deepEqual(await ledger(), { signIns: 1, requests: 2, refusals: 1, answers: 1 });
    },
  },
];
