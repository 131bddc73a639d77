import { createClock } from "@freshtoken/testing";
import { bearer, type Scheme } from "../../src/scheme.ts";
import { createSession } from "../../src/session.ts";
import type { SessionRecord, SessionStore } from "../../src/store.ts";
import { Counted, census, leftBehind } from "./census.ts";

const ORIGIN = "https://api.test";

/** Where sessions live that come and go: one store, one clock, one signal. */
function createPlace() {
  const clock = createClock();
  const { signal } = new AbortController();
  const listeners = new Set<() => void>();
  let held: SessionRecord | null = null;

  const store = (): SessionStore => ({
    load: () => held,
    save(record) {
      held = record;
      for (const listener of listeners) listener();
    },
    exclusive: (task) => task(),
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  });
  return { clock, signal, listeners, store };
}

type Place = ReturnType<typeof createPlace>;

/** Opens a session, uses it, and closes it with a request in flight, one that is held, and a refresh that never ends. */
async function live({ clock, signal, store }: Place): Promise<void> {
  const scheme: Scheme = Object.assign(new Counted(), bearer());
  let hangs = false;
  const session = createSession({
    ...{ clock, scheme, store: store(), refreshTimeout: 1_000 },
    refresh: async () => (hangs ? new Promise<never>(() => {}) : { access_token: "a1", expires_in: 60 }),
  });
  session.subscribe(() => {});
  const connection = session.connect({ origins: [ORIGIN] });
  const request = () =>
    connection.send({
      ...{ url: ORIGIN, method: "GET", replayable: true, signal },
      send: async () => new Counted(),
      answer: () => ({ status: 200, field: () => null, response: undefined }),
      release: (response) => response,
    });
  await session.signIn({ access_token: "a0", refresh_token: "r0", expires_in: 60 });
  await request();
  await session.refresh({ signal });
  hangs = true;
  clock.jump(60_000);
  const held = request().catch(() => {});
  const closed = session.close();
  await clock.advance(60_000);
  await Promise.all([held, closed]);
}

/** Opens and closes so many sessions, and says what of them is left. */
export async function sessions(count: number, progress: (line: string) => void): Promise<string[]> {
  const place = createPlace();
  const look = () => census(place.signal, () => place.clock.timers.all);
  await run(place, Math.min(count, 1_000), () => {});
  const before = await look();
  await run(place, count, progress);
  const left = leftBehind("sessions", before, await look(), count);
  return place.listeners.size > 0
    ? [...left, `${place.listeners.size} sessions still listen to their store`]
    : left;
}

async function run(place: Place, count: number, progress: (line: string) => void): Promise<void> {
  for (let opened = 1; opened <= count; opened++) {
    await live(place);
    if (opened % 1_000 === 0) progress(`${opened.toLocaleString("en")} sessions`);
  }
}
