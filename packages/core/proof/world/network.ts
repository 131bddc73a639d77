import type {
  HistoryNote,
  RequestEntry,
  ResourceRequest,
  RevocationRequest,
  TokenRequest,
} from "@freshtoken/testing";
import type { RefreshContext, TokenResponse } from "../../src/index.ts";
import type { Context } from "./context.ts";
import type { Attempt } from "./facts.ts";
import type { World } from "./world.ts";

/** What a client gets from the resource server. */
interface Reply {
  readonly status: number;
}

/** The way to the servers, and all that can befall it. */
export interface Network {
  refresh(context: Context, call: RefreshContext): Promise<TokenResponse>;
  revoke(context: Context, token: string): Promise<void>;
  request(
    context: Context,
    made: Made,
    token: string | undefined,
    signal: AbortSignal | null,
  ): Promise<Reply>;
  note(entry: RequestEntry): HistoryNote | undefined;
}

/** A request, as its user knows it. */
export interface Made {
  readonly request: string;
  readonly family: number | null | undefined;
}

type Ending = "lostBefore" | "lostAfter" | "hangsBefore" | "hangsAfter" | 503 | 429 | 502;

const unread = {
  answered: undefined,
  status: "pending",
  search: "",
  headers: {},
  body: new Uint8Array(),
  family: undefined,
} as const;

export function createNetwork(world: World): Network {
  const { timeline, chance, recipe, families, log, facts } = world;
  const { latency, lost, slow, trouble } = recipe.network;
  const notes = new Map<number, HistoryNote>();
  const befalls = (probability: number) => !world.isCalm && chance.of(probability);

  // What is slow is often just too slow.
  function trip(): number {
    if (!befalls(slow)) return chance.between(0, latency);
    const { refreshTimeout } = recipe.session;
    return chance.between(
      chance.pick([0, refreshTimeout - 10]),
      chance.pick([1, 1.5]) * refreshTimeout + 1_000,
    );
  }

  function faultOf(): Ending | undefined {
    if (befalls(lost))
      return chance.pick(["lostBefore", "lostAfter", "lostAfter", "hangsBefore", "hangsAfter"]);
    return befalls(trouble) ? chance.pick([503, 429, 502]) : undefined;
  }

  function refresh(
    context: Context,
    { refreshToken, signal, attempt: number }: RefreshContext,
  ): Promise<TokenResponse> {
    const fault = faultOf();
    if (fault) world.count(`a token answer: ${fault}`);
    const line = log.arrive<TokenRequest>({
      ...unread,
      at: "token",
      method: "POST",
      path: "/token",
      presented: refreshToken,
      outcome: "untouched",
      issued: undefined,
    });
    const note = {
      by: context.name,
      attempt: number,
      sentAt: timeline.now,
      endedAt: undefined as number | undefined,
    };
    notes.set(line.read().arrived, note);
    const section = world.store.sectionOf(context);
    // What the section began with is what its repeat goes by, too.
    const first = section && facts.attempts.find((other) => other.section === section);
    const attempt: Attempt = {
      by: context,
      presented: refreshToken,
      family: families.trace(refreshToken.replace("r", "a"))?.family ?? 0,
      began: world.moment(),
      section,
      looked: first?.looked ?? facts.looked.get(context) ?? 0,
      acted: false,
      outcome: "untouched",
      issued: undefined,
      lost: undefined,
      read: undefined,
      isOver: false,
    };
    world.judge.attempting(attempt);
    facts.attempts.push(attempt);
    world.count("attempt");
    world.tell(context.name, `presents ${refreshToken}, attempt ${number}`);

    function end(status: number | "reset" | "aborted"): void {
      if (line.read().answered === undefined) line.end(status);
      note.endedAt ??= timeline.now;
      attempt.isOver = true;
      if (typeof status === "string" || status > 500) attempt.lost ??= world.moment();
    }

    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => {
        note.endedAt ??= timeline.now;
        attempt.lost ??= world.moment();
        attempt.isOver = true;
        if (!recipe.session.heeds) return;
        end("aborted");
        world.tell(context.name, "gives the attempt up");
        reject(signal.reason);
      });
      const reset = () => {
        if (attempt.lost !== undefined && recipe.session.heeds) return;
        end("reset");
        world.tell(context.name, `hears nothing about ${refreshToken}`);
        reject(new TypeError("fetch failed", { cause: { code: "ECONNRESET" } }));
      };
      timeline.in(trip(), () => {
        if (fault === "hangsBefore") return;
        if (fault === "lostBefore") return void context.learns(trip(), reset);
        const acts =
          fault === undefined ||
          fault === "lostAfter" ||
          fault === "hangsAfter" ||
          (fault === 502 && chance.of(0.5));
        const { response, ...redemption } = acts ? families.redeem(refreshToken) : { response: undefined };
        if (acts && "outcome" in redemption) {
          line.amend(redemption);
          attempt.acted = redemption.issued !== undefined || redemption.outcome === "reused";
          attempt.outcome = redemption.outcome;
          attempt.issued = redemption.issued?.refresh;
          world.tell("server", `takes ${refreshToken}: ${attempt.outcome} ${attempt.issued ?? ""}`);
        }
        if (fault === "hangsAfter") return;
        if (fault === "lostAfter") return void context.learns(trip(), reset);
        context.learns(trip(), () => {
          if (attempt.lost !== undefined && recipe.session.heeds) return;
          if (typeof fault === "number") {
            end(fault);
            world.tell(context.name, `is answered ${fault}`);
            return reject(answered(fault, {}, fault === 429 ? chance.pick(["2", "20"]) : undefined));
          }
          end(response ? 200 : 400);
          attempt.read = world.moment();
          world.tell(context.name, `reads ${response ? attempt.issued : "invalid_grant"}`);
          if (response) return resolve(response);
          world.judge.refusing(attempt);
          reject(answered(400, { error: "invalid_grant" }));
        });
      });
    });
  }

  function revoke(context: Context, token: string): Promise<void> {
    const line = log.arrive<RevocationRequest>({
      ...unread,
      at: "revoke",
      method: "POST",
      path: "/revoke",
      presented: token,
      outcome: "untouched",
    });
    notes.set(line.read().arrived, { by: context.name });
    world.tell(context.name, `revokes ${token}`);
    return new Promise((resolve) => {
      timeline.in(trip(), () => {
        const family = families.revoke(token);
        line.amend({ family, outcome: family === undefined ? "unknown" : "revoked" });
        line.end(200);
        context.learns(trip(), resolve);
      });
    });
  }

  function request(
    context: Context,
    made: Made,
    token: string | undefined,
    signal: AbortSignal | null,
  ): Promise<Reply> {
    const { family, generation } = families.trace(token) ?? {};
    const line = log.arrive<ResourceRequest>({
      ...unread,
      at: "resource",
      method: "GET",
      path: `/${made.request}`,
      token,
      family,
      generation,
      accepted: false,
    });
    notes.set(line.read().arrived, { by: context.name, ...made });
    world.judge.sending(context, token);
    world.tell(context.name, `sends ${made.request} with ${token ?? "no token"}`);
    world.count("request");
    const resets = befalls(lost / 4);
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => {
        if (line.read().answered === undefined) line.end("aborted");
        reject(signal.reason);
      });
      timeline.in(trip(), () => {
        const accepted = families.accepts(token);
        line.amend({ accepted });
        context.learns(trip(), () => {
          if (line.read().answered !== undefined) return;
          const status = accepted ? 200 : 401;
          line.end(resets ? "reset" : status);
          world.tell(context.name, `${made.request} is answered ${resets ? "by a reset" : status}`);
          if (resets) reject(new TypeError("fetch failed"));
          else resolve({ status });
        });
      });
    });
  }

  return { refresh, revoke, request, note: ({ arrived }) => notes.get(arrived) };
}

// As axios throws it.
function answered(status: number, data: unknown, retryAfter?: string): Error {
  const headers = { "retry-after": retryAfter };
  return Object.assign(new Error(`status ${status}`), { response: { status, data, headers } });
}
