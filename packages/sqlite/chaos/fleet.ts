import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { TokenResponse } from "@freshtoken/core";

/**
 * Where a process can be killed or stopped between lock and release: before it asks the server, with the answer in hand,
 * in the transaction that saves it, and when that is done. That the server has rotated and not answered is the server's
 * to arrange.
 */
export type Point = "locked" | "answered" | "saving" | "saved";

/** The descriptor on which a process waits that cannot do anything else. */
export const GO_ON = 4;

export interface PeerOptions {
  readonly file: string;
  /** @default that of the store */
  readonly name?: string;
  /** Of the authorization server, which is the resource server, too. */
  readonly origin: string;
  /** What it calls itself in its requests. */
  readonly by: string;
  readonly refreshTimeout: number;
  readonly at?: Point;
}

export type Errand =
  | { readonly do: "signIn"; readonly tokens: TokenResponse }
  | { readonly do: "signOut" | "refresh" | "state" | "said" | "goOn" }
  | { readonly do: "burst"; readonly count: number; readonly width?: number }
  | { readonly do: "serves"; readonly accessToken: string };

export type Told =
  | { readonly ready: true }
  | { readonly reached: Point }
  | { readonly id: number; readonly result: unknown };

/** A process with a session. */
export interface Peer {
  readonly by: string;
  signIn(tokens: TokenResponse): Promise<void>;
  signOut(): Promise<void>;
  /** The new access token, or the code of the error. */
  refresh(): Promise<string>;
  /** Sends so many requests, `width` at a time, and counts how they ended: by status, or by code. */
  burst(count: number, width?: number): Promise<Record<string, number>>;
  /** Resolves as soon as the session has this access token. */
  serves(accessToken: string): Promise<void>;
  state(): Promise<string>;
  /** The types of all events so far. */
  said(): Promise<string[]>;
  /** Resolves when it is at the point that it was made for. */
  reached(): Promise<void>;
  goOn(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  kill(): Promise<void>;
}

const program = fileURLToPath(new URL("./peer.ts", import.meta.url));
const running = new Map<ChildProcess, Promise<unknown>>();
const execArgv = ["--conditions=@freshtoken/source", "--disable-warning=ExperimentalWarning"];

export async function startPeer(
  given: Pick<PeerOptions, "file" | "origin" | "by"> & Partial<PeerOptions>,
): Promise<Peer> {
  const options: PeerOptions = { refreshTimeout: 10_000, ...given };
  const child = fork(program, [JSON.stringify(options)], {
    execArgv,
    serialization: "advanced",
    stdio: ["ignore", "inherit", "pipe", "ipc", "pipe"],
  });
  const calls = new Map<number, (result: unknown) => void>();
  const ready = signal();
  const reached = signal();
  const ended = once(child, "exit").then(() => running.delete(child));
  running.set(child, ended);
  let numbered = 0;
  let printed = "";
  // A killed process leaves it with what was sent and not read.
  child.stdio[GO_ON]?.on("error", () => {});
  child.stderr?.on("data", (chunk) => {
    printed += chunk;
    if (printed.startsWith("saving")) reached.give();
  });
  child.on("message", (told: Told) => {
    if ("ready" in told) ready.give();
    else if ("reached" in told) reached.give();
    else calls.get(told.id)?.(told.result);
  });

  function send<R>(errand: Errand): Promise<R> {
    const id = ++numbered;
    child.send({ id, errand });
    return new Promise((resolve) => calls.set(id, resolve as (result: unknown) => void));
  }

  await Promise.race([
    ready.given,
    ended.then(() => {
      throw new Error(`The process ${options.by} did not start: ${printed}`);
    }),
  ]);
  return {
    by: options.by,
    signIn: (tokens) => send({ do: "signIn", tokens }),
    signOut: () => send({ do: "signOut" }),
    refresh: () => send({ do: "refresh" }),
    burst: (count, width = count) => send({ do: "burst", count, width }),
    serves: (accessToken) => send({ do: "serves", accessToken }),
    state: () => send({ do: "state" }),
    said: () => send({ do: "said" }),
    reached: () => reached.given,
    goOn() {
      (child.stdio[GO_ON] as Writable).write(".");
      return send({ do: "goOn" });
    },
    signal: (name) => void child.kill(name),
    kill: () => kill(child, ended),
  };
}

/** Kills what a test has left that was given up in the middle. */
export async function killAll(): Promise<void> {
  await Promise.all([...running].map(([child, ended]) => kill(child, ended)));
}

async function kill(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill("SIGKILL");
  await ended;
}

function signal(): { given: Promise<void>; give(): void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/** Starts processes on one file: the first signs in, the others find that. */
export async function startFleet(
  tokens: TokenResponse,
  given: Pick<PeerOptions, "file" | "origin">,
  own: readonly Partial<PeerOptions>[],
): Promise<Peer[]> {
  const [first, ...others] = own.map(
    (options, index) => () => startPeer({ by: `p${index + 1}`, ...given, ...options }),
  );
  if (!first) return [];
  const peer = await first();
  await peer.signIn(tokens);
  return [peer, ...(await Promise.all(others.map((start) => start())))];
}
