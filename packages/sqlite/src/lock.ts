/// <reference types="node" />
import type { DatabaseSync } from "node:sqlite";
import { engine } from "./engine.ts";
import { explained, isBusy } from "./errors.ts";
import { pause } from "./patience.ts";
import { createPrivately, identityOf } from "./private-file.ts";
import { takeTurn } from "./turn.ts";

// A task of which nothing is left but its lock would lose that with the next garbage collection.
const held = new Set<DatabaseSync>();

/**
 * Runs a task while it holds the lock of a file: the operating system's, which ends with the process. Nothing is ever
 * written to that file. Rejects with the signal's reason when that aborts before its turn has come.
 *
 * `waiting` is called now and then as long as another process, or thread, has the lock.
 */
export async function locked<R>(
  path: string,
  task: () => Promise<R>,
  signal: AbortSignal,
  waiting: () => void,
): Promise<R> {
  const leave = await takeTurn(path, signal);
  try {
    const lock = await acquire(path, signal, waiting);
    held.add(lock);
    try {
      return await task();
    } finally {
      held.delete(lock);
      lock.close();
    }
  } finally {
    leave();
  }
}

async function acquire(path: string, signal: AbortSignal, waiting: () => void): Promise<DatabaseSync> {
  for (let times = 0; ; times++) {
    signal.throwIfAborted();
    const lock = tryToLock(path);
    if (lock) return lock;
    waiting();
    // A session in which somebody waits for this keeps the process alive; a refresh in the background must not.
    await pause(times, false);
  }
}

function tryToLock(path: string): DatabaseSync | undefined {
  let lock: DatabaseSync | undefined;
  try {
    createPrivately(path);
    const identity = identityOf(path);
    lock = new (engine().DatabaseSync)(path, { timeout: 0 });
    // The journal of an empty file would be a file of its own, for the next one to clear away after a crash.
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE");
    // Whoever deleted the file has let others in, who lock another one.
    if (identityOf(path) === identity) return lock;
    lock.close();
    return undefined;
  } catch (error) {
    lock?.close();
    if (isBusy(error)) return undefined;
    throw explained(error, path);
  }
}
