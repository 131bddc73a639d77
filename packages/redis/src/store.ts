import type { SessionRecord, SessionStore } from "@freshtoken/core";
import { createCommands } from "./commands.ts";
import { createEar } from "./ear.ts";
import { type Known, NO_VERSION, NOTHING, type Version, versionOf } from "./known.ts";
import { type RedisStoreOptions, settingsOf } from "./options.ts";
import { type Place, placeOf } from "./place.ts";
import { createSeal } from "./seal.ts";
import { createSection } from "./section.ts";
import { pause } from "./wait.ts";

/**
 * Keeps one session in Redis, for all machines that give the same id: at an expiry one of them refreshes, and all
 * others go on with what it got. Make one store for each session.
 *
 * Nothing of a token is in a key, a channel, a message or an error; with `encryptionKeys` neither in the data.
 *
 * @throws TypeError that names the option that is wrong, and what arrived
 * @example
 * import { createSession } from "@freshtoken/core";
 * import { redisStore } from "@freshtoken/redis";
 * import { createClient } from "redis";
 *
 * const client = await createClient().on("error", console.error).connect();
 * const session = createSession({
 *   store: redisStore({ client, id: "https://login.example.com|web|user 42" }),
 *   refresh: ({ refreshToken, signal }) =>
 *     fetch("https://login.example.com/token", {
 *       method: "POST",
 *       body: new URLSearchParams({ grant_type: "refresh_token", client_id: "web", refresh_token: refreshToken }),
 *       signal,
 *     }),
 * });
 */
export function redisStore(options: RedisStoreOptions): Required<SessionStore> {
  const settings = settingsOf(options);
  const { prefix, id, encryptionKeys, lease, clock } = settings;
  const owner = randomName();
  const keep = settings.keepFor === undefined ? "" : String(settings.keepFor);
  const seal = createSeal(id, encryptionKeys);
  const commands = createCommands(settings, place);
  const ear = createEar(settings, owner, place);
  const loading = new Set<Promise<unknown>>();
  let named: Promise<Place> | undefined;
  // The newest that is known to be there, or was to be: what Redis loses is put back from here.
  let known: Known = NOTHING;
  let isUnsaved = false;
  let saves = 0;
  let saving: Promise<unknown> = Promise.resolve();
  let task: Task | undefined;

  function place(): Promise<Place> {
    named ??= placeOf(prefix, id);
    return named;
  }

  async function look(): Promise<SessionRecord | null> {
    const before = saves;
    const found = task?.found ?? (await ask());
    const record = await read(found);
    if (saves === before) learned(found);
    return record;
  }

  async function ask(): Promise<Known> {
    let reply = await commands.run("load", [known.family, known.generation]);
    if (reply[0] === "behind") {
      await restore();
      reply = await commands.run("load", ["", ""]);
    }
    const [, family = "", generation = "", text = ""] = reply;
    return { family, generation, text };
  }

  async function read({ family, generation, text }: Known): Promise<SessionRecord | null> {
    if (family === "") return null;
    const tokens = await seal.open(text, family, generation);
    // What is no token set of ours is for the session to refuse.
    return { family, generation: Number(generation), tokens } as SessionRecord;
  }

  function learned(found: Known, isMissing = false): void {
    known = found;
    isUnsaved = isMissing;
  }

  async function restore(): Promise<void> {
    const { family, generation, text } = known;
    // Somebody may be refreshing under a lease that was lost with the rest: it comes forward within a third of one.
    const wait = isUnsaved ? 0 : Math.ceil(lease / 2);
    await commands.run("restore", [owner, family, generation, keep, String(wait), text]);
  }

  async function load(): Promise<SessionRecord | null> {
    const looking = look();
    loading.add(looking);
    try {
      const record = await looking;
      if (task) task.loaded ??= versionOf(record);
      return record;
    } catch (error) {
      if (task?.isAlone) return read(known);
      throw error;
    } finally {
      loading.delete(looking);
    }
  }

  // One after the other: to encrypt takes its time, and so does to send once more.
  function save(record: SessionRecord | null, expected?: SessionRecord | null): Promise<boolean> {
    saves++;
    const [family, generation] = versionOf(record);
    const over = expected === undefined ? undefined : versionOf(expected);
    const closing = record ? seal.close(record) : Promise.resolve("");
    closing.catch(() => {});
    const write = async () => put({ family, generation, text: await closing }, over);
    const saved = saving.then(write);
    saving = saved.catch(() => {});
    return saved;
  }

  async function put(record: Known, over: Version | undefined): Promise<boolean> {
    const before = saves;
    const { family, generation, text } = record;
    const isKnown = over?.[0] === known.family && over[1] === known.generation;
    const compare = [over ? "record" : "any", ...(over ?? ["", ""]), isKnown ? "1" : ""];
    const args = [owner, randomName(), ...compare, keep, family, generation, text];
    try {
      const [outcome] = await commands.run("save", args);
      const isStored = outcome === "stored";
      if (isStored && saves === before) learned(record);
      if (isStored && task) task.isSaved = true;
      return isStored;
    } catch (error) {
      // It is what the session goes on with; who has signed out means it, also where Redis does not hear of it.
      if (saves === before) learned(record, true);
      throw error;
    }
  }

  const exclusive = createSection(settings, {
    owner,
    commands,
    known: () => [known.family, known.generation],
    restore,
    ear,
    async settled() {
      await pause(0, clock);
      await Promise.allSettled(loading);
      await pause(0, clock);
    },
    begin(asked, lease) {
      const begun: Task = { isAlone: !lease, found: lease?.found, loaded: undefined, isSaved: false };
      task = begun;
      return {
        spent() {
          begun.found = undefined;
        },
        end() {
          task = undefined;
          return unrenewed(asked, begun);
        },
      };
    },
  });

  // A session that finds in the section what it knew when it asked for its turn, and saves nothing, has failed to
  // refresh. Nobody but a session refreshes, and a session listens.
  function unrenewed(asked: Version, { loaded, isSaved }: Task): Version {
    const hasTried = ear.isWanted() && loaded !== undefined && String(loaded) === String(asked);
    return hasTried && !isSaved ? asked : NO_VERSION;
  }

  return {
    load,
    save,
    exclusive,
    subscribe: ear.onSaved,
  };
}

/** What is done in the exclusive section, as the store sees it. */
interface Task {
  /** Without a lease, since Redis cannot be reached. */
  readonly isAlone: boolean;
  /** What came with the lease, for a load at once. */
  found: Known | undefined;
  loaded: Version | undefined;
  isSaved: boolean;
}

function randomName(): string {
  return crypto.randomUUID();
}
