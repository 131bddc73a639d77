import { createClock, settled } from "@freshtoken/testing";
import fc from "fast-check";
import type { SessionEvent } from "../../src/events.ts";
import { createSession } from "../../src/session.ts";
import type { SessionStore } from "../../src/store.ts";
import { demand, watched } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";
import { prepare, type Recipe, recipes } from "./recipe.ts";
import { brought, leaks } from "./secrets.ts";

/** What a store holds: text, as most keep it, or any value. */
interface Stored {
  readonly content: { readonly text: string } | { readonly recipe: Recipe };
  /** The store answers later. */
  readonly isAsync: boolean;
}

const NAMES = [
  ...["family", "generation", "tokens", "accessToken", "refreshToken", "tokenType", "expiresAt", "issuedAt"],
  ...["access_token", "refresh_token", "expires_in", "extra", "version", "then"],
];
const VALUES = [
  ...["f1", "", 0, 1, 7, -1, 1.5, 2 ** 53 - 1, 2 ** 53 - 2, 2 ** 52, "0", null, "Bearer", "DPoP", 1e308],
  ...[
    brought.accessToken,
    brought.refreshToken,
    `${brought.accessToken}\n`,
    1_700_000_000_000,
    1_700_003_600_000,
    3600,
  ],
];

const tokens = fc.record(
  {
    accessToken: fc.constantFrom<unknown>(brought.accessToken, brought.accessToken, "", "\u00e9", 7, null),
    refreshToken: fc.constantFrom<unknown>(brought.refreshToken, undefined, `${brought.refreshToken}\n`, {}),
    tokenType: fc.constantFrom<unknown>("Bearer", "DPoP", 7),
    expiresAt: fc.constantFrom<unknown>(1_700_003_600_000, 0, -1e308, 1e308, "soon", null),
    issuedAt: fc.constantFrom<unknown>(1_700_000_000_000, 1e308, -1e308, null),
    extra: fc.jsonValue(),
  },
  { requiredKeys: ["accessToken"] },
);
const wire = fc.record(
  { access_token: fc.constant(brought.accessToken), expires_in: fc.constantFrom(3600, "3600", -1) },
  { requiredKeys: ["access_token"] },
);
const near = fc.record(
  {
    family: fc.oneof({ arbitrary: fc.constant("f1"), weight: 9 }, fc.constantFrom<unknown>("", 7, null)),
    generation: fc.oneof(
      { arbitrary: fc.constantFrom(0, 1, 7), weight: 3 },
      fc.constantFrom<unknown>(-1, 1.5, "0", 2 ** 53 - 1, 2 ** 53 - 2, 2 ** 53, 1e308, null),
    ),
    tokens: fc.oneof({ arbitrary: tokens, weight: 4 }, { arbitrary: wire, weight: 2 }, fc.jsonValue()),
    version: fc.constantFrom<unknown>(0, 2),
  },
  { requiredKeys: ["family", "generation", "tokens"] },
);
const truncated = fc
  .record({ record: near, kept: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })) })
  .map(({ record, kept }) => {
    const text = JSON.stringify(record);
    return text.slice(0, Math.ceil(text.length * kept));
  });

// As a recipe, so that some of its members resist.
const built: fc.Arbitrary<Recipe> = fc
  .tuple(
    near,
    recipes(NAMES, VALUES),
    fc.constantFrom("value", "getter", "throws", "throws null", "itself"),
    fc.nat(3),
  )
  .map(([record, value, how, at]): Recipe => {
    const members = Object.entries(record).map(([name, data]) => ({
      name,
      how: "value" as const,
      value: { is: "data" as const, data },
    }));
    const put = { name: ["family", "generation", "tokens", "then"][at] ?? "", how, value } as const;
    return { is: "plain", members: [...members.filter(({ name }) => name !== put.name), put] as never };
  });

const stored: fc.Arbitrary<Stored> = fc.record({
  content: fc.oneof(
    { arbitrary: fc.record({ text: truncated }), weight: 4 },
    { arbitrary: fc.record({ recipe: built }), weight: 2 },
    { arbitrary: fc.record({ recipe: recipes(NAMES, VALUES) }), weight: 2 },
  ),
  isAsync: fc.boolean(),
});

/** A store that holds what it was given until something is saved, which it keeps as text. */
function storeOf({ content, isAsync }: Stored): SessionStore & { saves: number } {
  let read = () => ("text" in content ? JSON.parse(content.text) : prepare(content.recipe));
  return {
    saves: 0,
    load() {
      return isAsync ? (async () => read())() : read();
    },
    save(record) {
      const text = JSON.stringify(record);
      this.saves++;
      read = () => JSON.parse(text);
    },
  };
}

const MOST = 20;

/** Reads it, signs nobody in unless it is a record, and can go on from there. */
async function taken(given: Stored): Promise<void> {
  const clock = createClock();
  const store = storeOf(given);
  const events: SessionEvent[] = [];
  let attempts = 0;
  // One that is asked for ever would never let go.
  const refresh = async () =>
    ++attempts > MOST ? null : { access_token: `healed${attempts}`, refresh_token: "healed" };
  const session = createSession({ clock, store, refresh });
  session.subscribe((event) => events.push(event));
  const first = watched(session.tokens());
  await settled();
  await clock.advance(60_000);

  const failed = events.find(({ type }) => type === "storeFailed");
  const isThere = session.state.status === "signedIn";
  demand(first() !== undefined, "tokens() hangs");
  demand("value" in Object(first()) === isThere, `${session.state.status}, yet tokens() came to`, first());
  demand(!isThere || !failed, "is served, and was said to have failed", failed, session.state);
  demand(isThere || failed !== undefined || isNothing(given), "counts as nothing, and nothing was said");
  // What throws quotes other tokens, which nobody knows: they cannot be told from text.
  demand(leaks([events, isThere ? null : first()], brought).length === 0, "shows a token", events, first());
  const { expiresAt = 0, issuedAt = 0 } = session.state.status === "signedIn" ? session.state.tokens : {};
  demand(Number.isFinite(expiresAt) && Number.isFinite(issuedAt), `lives from ${issuedAt} to ${expiresAt}`);

  const served = attempts;
  if (isThere) await renewedOnce();
  const closed = watched(session.close());
  await clock.advance(60_000);
  demand(closed() !== undefined, "close() hangs");
  demand(clock.timers.all === 0, `leaves ${clock.timers.all} timers`);

  // What it makes of a record has to be a record again, one generation on.
  async function renewedOnce(): Promise<void> {
    const before = store.saves;
    const renewed = watched(session.refresh());
    await clock.advance(60_000);
    demand(attempts === served + 1, `refreshed ${attempts - served} times for one refresh()`);
    demand("value" in Object(renewed()), "refresh() came to nothing", renewed());
    demand(store.saves > before, "nothing was saved");
    const next = createSession({ clock, store, refresh });
    await next.loaded;
    demand(next.state.status === "signedIn", "what was saved cannot be read again", store.load());
    await next.close();
  }
}

function isNothing({ content }: Stored): boolean {
  if ("text" in content) return content.text === "null";
  const { is, data } = content.recipe as { is: string; data?: unknown };
  return is === "data" && (data === null || data === undefined);
}

/** What a store holds. */
export const records: readonly Property[] = [
  propertyOf("a stored record: served and renewed, or nothing and said to have failed", stored, taken),
];
