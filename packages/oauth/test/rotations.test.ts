import { createSession, type Session } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { createGate, type Gate } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { real, signedIn } from "./loopback.ts";
import { outcomeOf } from "./support.ts";

const api = "https://api.test";

/** A resource server that judges on arrival, and answers on `/late` when it is let. */
function createResource() {
  const expired = new Set<string | null>();
  let late: Gate = createGate();

  return {
    expire(accessToken: string | undefined): Gate {
      expired.add(`Bearer ${accessToken}`);
      late = createGate();
      return late;
    },
    async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
      const request = new Request(input, init);
      const status = expired.has(request.headers.get("authorization")) ? 401 : 200;
      if (request.url.endsWith("/late")) await late.pass();
      return new Response(null, { status });
    },
  };
}

/** One expiry under a burst: who set the refresh off leaves while it runs, and one 401 comes when it is over. */
async function expiry(session: Session, { expire, fetch }: ReturnType<typeof createResource>) {
  const { accessToken } = await session.tokens();
  const [late, leaving, refreshing] = [expire(accessToken), new AbortController(), started(session)];
  const send = sessionFetch(session, { fetch });
  const left = outcomeOf(send(`${api}/left`, { signal: leaving.signal }));
  const burst = ["/late", "/1", "/2", "/3", "/4", "/5"].map((path) => send(api + path));
  await Promise.all([refreshing, late.reached(1)]);
  leaving.abort("left");
  await burst[1];
  late.open();
  const answers = await Promise.all(burst);
  return [...answers.map(({ status }) => status), await left];
}

function started(session: Session): Promise<void> {
  return new Promise((resolve) => {
    const undo = session.subscribe(({ type }) => {
      if (type !== "refreshStarted") return;
      undo();
      resolve();
    });
  });
}

test("rotates 1,000 times in a row under bursts, aborts and late refusals: no reuse, no lost session", async () => {
  const { server, oauth } = await real({ scope: "api" });
  const session = createSession({ ...oauth.session(), origins: [api], refusalLimit: false });
  await session.signIn(await signedIn(oauth, server));
  const resource = createResource();

  const ends = new Set<string>();
  for (let rotation = 1; rotation <= 1_000; rotation += 1) {
    ends.add(String(await expiry(session, resource)));
  }

  expect(ends).toStrictEqual(new Set(["200,200,200,200,200,200,left"]));
  expect(session.state.status).toBe("signedIn");
  expect(server.ledger).toStrictEqual({
    presentations: Array.from({ length: 1_000 }, (_, index) => ({
      token: index + 1,
      family: 1,
      account: "alice",
      again: false,
      outcome: "rotated",
    })),
    revocations: [],
  });
}, 60_000);
