import { ledger, settled } from "@freshtoken/testing";
import { onlineManager, QueryClient, QueryObserver } from "@tanstack/query-core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { keepUsersApart } from "../src/keep-users-apart.ts";
import { account, type Name, names, outcomeOf, stage } from "./support.ts";

/** One user signed in, and a client that keeps users apart. */
async function signedIn(name: Name) {
  const scene = await stage([name]);
  const client = new QueryClient();
  return { ...scene, client, undo: keepUsersApart(client, scene.session) };
}

type Scene = Awaited<ReturnType<typeof signedIn>>;

/** A query on screen, with an answer. Tells whose answer it shows now: the family it was given to. */
async function shown({ client, query }: Scene, path: string, options = {}) {
  const observer = new QueryObserver(client, { ...query(path), ...options });
  onTestFinished(observer.subscribe(() => {}));
  await observer.refetch();
  return () => (observer.getCurrentResult().data as { family: number } | undefined)?.family;
}

/** When everything in flight has been answered. */
async function idle({ client }: Scene): Promise<void> {
  while (client.isFetching() > 0) await settled();
}

describe.each(names)("through %s", (name) => {
  test("takes what is on screen off it when another user signs in, and fetches it for them", async () => {
    const scene = await signedIn(name);
    const { server, session } = scene;
    const family = await shown(scene, "/me");

    const before = family();
    await session.signIn(server.signIn());
    const between = family();
    await idle(scene);

    expect([before, between, family()]).toStrictEqual([1, undefined, 2]);
    expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 2, answers: 2 }));
  });

  test("forgets what is cached when the user signs out, and asks for none of it", async () => {
    const scene = await signedIn(name);
    const { server, session, client, query } = scene;
    const family = await shown(scene, "/me");
    await client.query(query("/cached"));

    await session.signOut();
    await settled();

    expect([family(), client.getQueryCache().getAll().length]).toStrictEqual([undefined, 1]);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 2, answers: 2 }));
  });

  test("forgets what is cached when the refresh token is rejected", async () => {
    const scene = await signedIn(name);
    const { server, session, client } = scene;
    const family = await shown(scene, "/me");
    server.withdraw();

    await outcomeOf(session.refresh());

    expect([family(), client.isFetching()]).toStrictEqual([undefined, 0]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, answers: 1 }));
  });

  test("fetches what is on screen after a sign-in that follows a sign-out", async () => {
    const scene = await signedIn(name);
    const { server, session } = scene;
    const family = await shown(scene, "/me");

    await session.signOut();
    await session.signIn(server.signIn());
    await idle(scene);

    expect(family()).toBe(2);
    expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 2, answers: 2 }));
  });

  test("cancels what is in flight for one user when another signs in", async () => {
    const scene = await signedIn(name);
    const { server, session, client, query } = scene;
    const gate = server.gate("/late", "answer");

    const late = outcomeOf(client.query(query("/late")));
    await gate.reached(1);
    await session.signIn(server.signIn());
    gate.open();

    expect(await late).toMatchObject({ message: "CancelledError" });
    expect(client.getQueryData(["/late"])).toBe(undefined);
    expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 1, unanswered: 1 }));
  });

  test("shows no answer that comes late for the user before", async () => {
    const scene = await signedIn(name);
    const { server, session, client } = scene;
    const family = await shown(scene, "/me");
    const gate = server.gate("/me", "answer");

    void client.refetchQueries();
    await gate.reached(1);
    await session.signIn(server.signIn());
    gate.open();
    await idle(scene);

    expect(family()).toBe(2);
    expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 3, answers: 2, unanswered: 1 }));
  });

  test("keeps the cache through a refresh", async () => {
    const scene = await signedIn(name);
    const { server, session } = scene;
    const family = await shown(scene, "/me");

    await session.refresh();
    await settled();

    expect(family()).toBe(1);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 1, answers: 1 }));
  });
});

test("takes a query that is on screen but switched off, off it too, and leaves it off", async () => {
  const scene = await signedIn("fetch");
  const { server, session } = scene;
  const family = await shown(scene, "/me", { enabled: false });

  const before = family();
  await session.signIn(server.signIn());
  await idle(scene);

  expect([before, family()]).toStrictEqual([1, undefined]);
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 1, answers: 1 }));
});

test("drops a mutation that was paused offline when another user signs in", async () => {
  const { server, session, client, query } = await signedIn("fetch");
  const mutationFn = () => query("/orders").queryFn({ signal: new AbortController().signal });
  onTestFinished(() => onlineManager.setOnline(true));
  onlineManager.setOnline(false);

  void client.getMutationCache().build(client, { mutationFn }).execute(undefined);
  await session.signIn(server.signIn());
  onlineManager.setOnline(true);
  await client.resumePausedMutations();

  expect(ledger(server.log)).toStrictEqual(account({ signIns: 2 }));
});

test("makes no further attempt for one user when another signs in", async () => {
  const { server, session, client, query } = await signedIn("fetch");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  server.next("/me", { status: 500 });

  const outcome = outcomeOf(client.query({ ...query("/me"), retry: 3, retryDelay: 1_000 }));
  while (vi.getTimerCount() === 0) await settled();
  await session.signIn(server.signIn());
  await vi.advanceTimersByTimeAsync(1_000);

  expect(await outcome).toMatchObject({ message: "CancelledError" });
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 1, answers: 1 }));
});

test("leaves the cache alone once it is undone", async () => {
  const scene = await signedIn("fetch");
  const family = await shown(scene, "/me");

  scene.undo();
  await scene.session.signOut();

  expect(family()).toBe(1);
});
