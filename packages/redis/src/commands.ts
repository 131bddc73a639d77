import type { Settings } from "./options.ts";
import { digestOf, type Place } from "./place.ts";
import { type ScriptName, sourceOf } from "./scripts.ts";
import { jittered, pause } from "./wait.ts";

/** Runs scripts in Redis on the place of one session. */
export interface Commands {
  /**
   * Runs a script, and again where Redis could not be reached. Rejects with an error that quotes no argument.
   */
  run(name: ScriptName, args: readonly string[], options?: RunOptions): Promise<Reply>;
}

interface RunOptions {
  /** How often it is sent, at most. @default 3 */
  readonly tries?: number;
  /** Gets answers that came when nobody waited for them any more. */
  late?(reply: Reply): void;
}

/** Redis did not answer, or the client could not send to it: whatever was asked may have happened all the same. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** How it ended, in a word, and what belongs to that. */
export type Reply = readonly [outcome: string, ...details: string[]];

const FIRST_PAUSE = 100;
// What a server says that will soon do better: it starts, or another takes its place.
const PASSING = /^(?:LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|UNBLOCKED)\b/;
// What ioredis, and the server, say of a command on a connection of RESP2 that listens.
const LISTENING = /subscriber mode|allowed in this context/i;
const TWO_CLIENTS =
  "A client that speaks RESP2 cannot send while it listens. Give a client to listen with, as `subscriber`";
const digests = new Map<ScriptName, Promise<string>>();

export function createCommands(settings: Settings, place: () => Promise<Place>): Commands {
  const { clock } = settings;
  return {
    async run(name, args, { tries = 3, late = () => {} } = {}) {
      const { key, channel } = await place();
      const digest = await digestOfScript(name);
      const rest = ["1", key, channel, ...args];
      for (let tried = 1; ; tried++) {
        try {
          return await evaluate(settings, name, digest, rest, late);
        } catch (error) {
          if (tried === tries || isRefusal(error)) throw shown(error);
          await pause(jittered(FIRST_PAUSE * 2 ** (tried - 1), clock), clock);
        }
      }
    },
  };
}

async function evaluate(
  settings: Settings,
  name: ScriptName,
  digest: string,
  rest: readonly string[],
  late: (reply: Reply) => void,
): Promise<Reply> {
  try {
    return await sent(settings, ["EVALSHA", digest, ...rest], late);
  } catch (error) {
    if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
    return sent(settings, ["EVAL", sourceOf(name), ...rest], late);
  }
}

// What is sent to a server that is gone never comes back: each command has a deadline of its own.
function sent(
  { connection, commandTimeout, clock }: Settings,
  command: readonly string[],
  late: (reply: Reply) => void,
): Promise<Reply> {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    let settle: (reply: Reply) => void = resolve;
    const giveUp = () => {
      settle = late;
      reject(new UnreachableError(`Redis did not answer within ${commandTimeout} ms`));
      controller.abort();
    };
    const stop = clock.timer(giveUp, commandTimeout, false);
    new Promise<unknown>((begun) => begun(connection.send(command, { signal: controller.signal })))
      .finally(stop)
      .then((reply) => settle((reply as unknown[]).map(String) as unknown as Reply))
      .catch(reject);
  });
}

function digestOfScript(name: ScriptName): Promise<string> {
  const known = digests.get(name) ?? digestOf("SHA-1", sourceOf(name));
  digests.set(name, known);
  return known;
}

// Refused by the server itself, it would be so again.
function isRefusal(error: unknown): boolean {
  const message = messageOf(error);
  return (/^[A-Z]{3,} /.test(message) && !PASSING.test(message)) || LISTENING.test(message);
}

// An error of a client may carry the command, and with it the tokens; one of the server may quote it.
function shown(error: unknown): Error {
  if (error instanceof UnreachableError) return error;
  if (LISTENING.test(messageOf(error))) return new Error(TWO_CLIENTS);
  const message = messageOf(error).split(/['"`]/)[0]?.slice(0, 200).trim() || "the client did not say why";
  if (isRefusal(error)) return new Error(`Redis refused the command: ${message}`);
  const copy = new UnreachableError(`Redis could not be reached: ${message}`);
  const { code } = Object(error);
  return typeof code === "string" ? Object.assign(copy, { code }) : copy;
}

function messageOf(error: unknown): string {
  return String(Object(error).message ?? "");
}
