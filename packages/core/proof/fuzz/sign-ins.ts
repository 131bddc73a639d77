import { createClock } from "@freshtoken/testing";
import fc from "fast-check";
import { createSession } from "../../src/session.ts";
import { demand, type Ending, watched } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";
import { prepare, recipes } from "./recipe.ts";
import { brought, leaks } from "./secrets.ts";

const { accessToken, refreshToken } = brought;
const NAMES = [
  ...["access_token", "refresh_token", "token_type", "expires_in", "scope"],
  ...["accessToken", "refreshToken", "tokenType", "expiresAt", "issuedAt", "extra", "then"],
];
const VALUES = [
  ...[accessToken, refreshToken, `${accessToken}\n`, `\u00e9${accessToken}`, "", "Bearer", "DPoP", "3600"],
  ...[3600, -1, 1e308, 1_700_000_060_000],
];

async function signedIn(value: unknown): Promise<Ending> {
  const clock = createClock();
  const session = createSession({ clock, refresh: async () => null });
  const ending = watched(session.signIn(value as never));
  await clock.advance(60_000);
  demand(ending() !== undefined, "signIn() hangs");
  demand(
    "value" in Object(ending()) === (session.state.status === "signedIn"),
    session.state.status,
    ending(),
  );
  if (session.state.status === "signedIn") {
    // The platform takes it as it is, but for the spaces around it.
    const sent = `Bearer ${session.state.tokens.accessToken}`;
    demand(
      new Headers({ authorization: sent }).get("authorization") === sent.trim(),
      "the platform sends another",
      sent,
    );
  }
  return ending();
}

/** What an application signs in with. */
export const signIns: readonly Property[] = [
  propertyOf(
    "any value given to signIn: signed in, or a TypeError that shows no token",
    recipes(NAMES, VALUES),
    async (recipe) => {
      const { error = new TypeError() } = Object(await signedIn(prepare(recipe)));
      demand(error instanceof TypeError, "rejects with another error", error);
      demand(leaks(error, brought).length === 0, "shows a token", error);
    },
  ),
  propertyOf(
    "any text as an access token: refused, or sent as it is",
    fc.string({ unit: "binary" }),
    async (text) => {
      await signedIn({ access_token: text });
    },
  ),
];
