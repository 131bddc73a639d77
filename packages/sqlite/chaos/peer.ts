// One process with one session, told by fleet.ts what to do.
import { readSync, writeSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { createSession, type SessionStore } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { sqliteStore } from "../src/index.ts";
import { type Errand, GO_ON, type PeerOptions, type Point, type Told } from "./fleet.ts";

const { file, name, origin, by, refreshTimeout, at } = JSON.parse(process.argv[2] ?? "") as PeerOptions;
const tell = (told: Told) => void process.send?.(told);
let goOn = () => {};
let ahead = at;
let isRefreshing = false;

/** Stays, once, at the point that this process was made for, until it is told to go on. */
async function reach(point: Point): Promise<void> {
  if (point !== ahead || !isRefreshing) return;
  ahead = undefined;
  const told = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  tell({ reached: point });
  await told;
}

/** A store with the points around its save. */
function halting(store: SessionStore): SessionStore {
  return {
    ...store,
    async save(...args) {
      await reach("answered");
      const saved = await store.save(...args);
      await reach("saved");
      return saved;
    },
  };
}

// In the middle of a transaction nothing can be awaited: the whole process waits for a byte.
function haltInTransaction(): void {
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql: string) {
    if (sql === "COMMIT" && isRefreshing && ahead) {
      ahead = undefined;
      writeSync(2, "saving\n");
      readSync(GO_ON, Buffer.alloc(1));
    }
    exec.call(this, sql);
  };
}

let made = 0;
const said: string[] = [];
const session = createSession({
  store: halting(sqliteStore({ file, name })),
  refreshTimeout,
  refusalLimit: false,
  async refresh({ refreshToken, signal }) {
    isRefreshing = true;
    await reach("locked");
    return fetch(`${origin}/token`, {
      method: "POST",
      headers: { "x-by": by },
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
    });
  },
});
session.subscribe((event) => void said.push(event.type));
if (at === "saving") haltInTransaction();

const authorized = sessionFetch(session, { origins: [origin] });

async function request(): Promise<string> {
  const headers = { "x-by": by, "x-request": `${by}.${++made}` };
  try {
    const answer = await authorized(`${origin}/me`, { headers });
    await answer.arrayBuffer();
    return String(answer.status);
  } catch (error) {
    return String(Object(error).code ?? error);
  }
}

/** Sends so many requests, a few at a time, and counts how they ended. */
async function burst(count: number, width: number): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  let left = count;
  async function lane(): Promise<void> {
    while (left-- > 0) {
      const outcome = await request();
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, width) }, lane));
  return outcomes;
}

function serves(accessToken: string): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (session.state.status === "signedIn" && session.state.tokens.accessToken === accessToken) resolve();
    };
    session.subscribe(look);
    look();
  });
}

async function perform(errand: Errand): Promise<unknown> {
  switch (errand.do) {
    case "signIn":
      return session.signIn(errand.tokens);
    case "signOut":
      return session.signOut();
    case "refresh":
      return session.refresh().then(
        ({ accessToken }) => accessToken,
        (error) => String(Object(error).code ?? error),
      );
    case "burst":
      return burst(errand.count, errand.width ?? errand.count);
    case "serves":
      return serves(errand.accessToken);
    case "state":
      return session.state.status;
    case "said":
      return said;
    case "goOn":
      return goOn();
  }
}

process.on("message", async ({ id, errand }: { id: number; errand: Errand }) => {
  tell({ id, result: await perform(errand) });
});
await session.loaded;
tell({ ready: true });
