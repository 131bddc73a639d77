import { FreshtokenError, RefreshFailedError, SignedOutError } from "@freshtoken/core";
import { exchangeOf, isOurs, type Parts, right } from "./contract-subject.ts";
import {
  answering,
  failing,
  following,
  impatient,
  interceptor,
  led,
  lifo,
  over,
  remembering,
  taking,
  telling,
  unheld,
  wrapper,
} from "./defective.ts";

/** An adapter with something wrong, and titles of the contract that say so. */
export interface Defect extends Partial<Parts> {
  /** What the adapter does. */
  readonly name: string;
  readonly titles: readonly string[];
}

const replays = (body: string) =>
  `replays ${body} byte for byte, with the length and type of the first attempt`;

/** The ways to be wrong that people have found. */
export const defects: readonly Defect[] = [
  {
    name: "ignores the session",
    adapter: (_session, _origin, bare) => bare,
    titles: [
      "refreshes once, at whatever microtask after the save the next request is made",
      "repeats once, at once, a refresh whose answer was lost on its way",
      "rejects what is held with RefreshRejectedError where the refresh is rejected, and never sends it",
      "replays every method",
    ],
  },
  {
    name: "leaves refusals to its caller",
    adapter: unheld,
    titles: [
      "hands the server's last 401 back where it refuses the fresh token too",
      "replays a body of a megabyte whole",
      "replays with the caller's own fields and query, and hands the answer over whole",
    ],
  },
  {
    name: "refreshes for each refusal by itself",
    adapter: wrapper(false),
    titles: [
      "answers a burst of 100 at an expiry that nobody knew of with one refresh",
      "answers 300 requests over 10 expiries with 10 refreshes, whenever each expiry comes",
    ],
  },
  {
    name: "shares a promise among its own requests, and holds none",
    adapter: wrapper(true),
    titles: [
      "holds a burst of 100 while a stale token is refreshed, and sends each once",
      "refreshes once for two clients of one session",
      "replays a refusal that arrives after the refresh without another one",
      "holds what is made while a refused token is refreshed",
      "refreshes for refusals as often as the limit says, then hands them back",
      "rejects a refused request that is aborted, at once, and lets its refresh go on",
      "hands a 401 back that new tokens cannot cure, and does not refresh",
    ],
  },
  {
    name: "sends through its client again, which runs hooks and serializers again",
    adapter: unheld,
    around: interceptor((sent) => sent.catch((error) => error.answer)),
    titles: [
      "runs the user's request hooks once for a request that is sent twice",
      "shows the user's answer hooks the last answer alone, once",
      "shows the user's answer hooks a 401 once where the session is over",
      "serializes once what is sent twice",
      "sends each attempt with the length of its own body, whatever serialized it",
      "replays below a hook, installed before the session's, that makes an error of each 401",
      "replays below a hook, installed after the session's, that makes an error of each 401",
    ],
  },
  {
    name: "sees only the refusals that its client takes for errors",
    adapter: unheld,
    around: interceptor((sent) =>
      sent.then(
        () => undefined,
        (error) => error.answer,
      ),
    ),
    titles: ["replays a refusal, whether the client takes it for an error or not"],
  },
  {
    name: "waits for the refresh of an ageing token",
    adapter: impatient,
    titles: ["sends a burst of 100 with an ageing token, and refreshes once in the background"],
  },
  {
    name: "sends what was made last first",
    adapter: lifo,
    titles: ["sends what it held in the order in which it was made"],
  },
  {
    name: "tries again where a fresh token is refused",
    adapter: answering(({ status }, again, { state }) =>
      status === 401 && state.status === "signedIn" ? again() : undefined,
    ),
    titles: [
      "hands the server's last 401 back where it refuses the fresh token too",
      "refreshes for refusals as often as the limit says, then hands them back",
      "hands the 401 back of what was sent while signed out, though somebody signed in since",
    ],
  },
  {
    name: "hears no abort",
    adapter: (session, origin, bare) => {
      const send = right(session, origin, bare);
      return (url, init) => send(url, { ...init, signal: null });
    },
    titles: ["rejects a request whose signal has aborted before, and sends nothing"],
  },
  {
    name: "hears no abort while it waits",
    adapter: telling(() => ({ signal: null })),
    titles: [
      "rejects a held request that is aborted, at once, and never sends it",
      "rejects a refused request that is aborted, at once, and lets its refresh go on",
      "rejects all that share a signal that aborts, refused or held, and no other",
    ],
  },
  {
    name: "hears no abort once it has sent",
    adapter: over((bare) => (url, init) => bare(url, { ...init, signal: null })),
    titles: [
      "rejects a request that is aborted in flight, whose connection ends",
      "rejects a request whose replay is aborted in flight, and stays signed in",
    ],
  },
  {
    name: "keeps the connections of refusals",
    adapter: telling(() => ({ release: (response) => response })),
    titles: ["gives the connections of refusals back that nobody reads, so that the refresh goes on"],
  },
  {
    name: "throws the bodies of refusals away",
    adapter: telling(() => ({
      async release(response) {
        await response.body?.cancel();
        return response;
      },
    })),
    titles: [
      "hands each its own 401 back, the body readable, where the refresh is rejected",
      "rejects with the client's own error, the answer in it, for the 401 that ends the session",
    ],
  },
  {
    name: "takes streams for replayable",
    adapter: telling(() => ({ replayable: true })),
    titles: [
      "sends a stream once: refused, it rejects, and the token is refreshed for the next call",
      "sends a stream after the refresh of an ageing token, and whole",
    ],
  },
  {
    name: "takes every body for a stream",
    adapter: telling((_, __, { body }) => ({ replayable: !body })),
    titles: [replays("a string"), "replays what the client serialized as JSON"],
  },
  {
    name: "replays GET alone",
    adapter: telling((_, __, { method }) => ({ replayable: method === "GET" })),
    titles: ["replays every method"],
  },
  {
    name: "reads a body when it leaves",
    adapter: telling((_, send, init) => ({ send: (fields) => send(init, fields) })),
    titles: ["sends a buffer that is overwritten after the call as it was at the call, held and replayed"],
  },
  {
    name: "sends no body the second time",
    adapter: telling((_, send, init) => {
      let { body = null } = init;
      return {
        send(fields) {
          const sent = send({ ...init, body }, fields);
          body = null;
          return sent;
        },
      };
    }),
    titles: [
      ...["a string", "URLSearchParams", "a Blob", "an ArrayBuffer", "bytes"].map(replays),
      "replays what the client serialized as JSON",
      "replays a body of a megabyte whole",
      "replays a form with files, whose boundary may change",
    ],
  },
  {
    name: "sends the whole buffer under a view",
    adapter: telling((_, send, { body = null, ...init }) => ({
      send: (fields) =>
        send({ ...init, body: ArrayBuffer.isView(body) ? new Blob([body.buffer]) : body }, fields),
    })),
    titles: [replays("a part of a buffer")],
  },
  {
    name: "forgets the caller's fields",
    adapter: telling((_, send, init) => ({ send: (fields) => send({ ...init, headers: {} }, fields) })),
    titles: [
      "replays with the caller's own fields and query, and hands the answer over whole",
      "replays what the client serialized as JSON",
    ],
  },
  {
    name: "sends no field of the scheme but the token",
    adapter: telling(({ send }) => ({ send: ({ authorization = "" }) => send({ authorization }) })),
    titles: ["sends the fields that the scheme makes for each attempt, and none of an earlier one"],
  },
  {
    name: "shows no field of an answer",
    adapter: telling(({ answer }) => ({
      answer: (response) => ({ ...answer(response), field: () => null }),
    })),
    titles: [
      "hands a 401 back that new tokens cannot cure, and does not refresh",
      "shows the scheme each answer and its fields, and replays without a refresh where it asks for that",
    ],
  },
  {
    name: "tells no final URL",
    adapter: telling(({ answer }) => ({ answer: (response) => ({ ...answer(response), url: undefined }) })),
    titles: ["does not refresh for the 401 of another origin that a redirect led to"],
  },
  {
    name: "takes every error for a refusal",
    adapter: telling(({ answer }) => ({
      answer: (response) => ({ ...answer(response), status: response.ok ? 200 : 401 }),
    })),
    titles: [400, 403, 404, 500, 503].map((status) => `hands a ${status} back as it is`),
  },
  {
    name: "takes no answer for an answer but a 200",
    adapter: answering(({ status }) =>
      status === 200 ? undefined : Promise.reject(new Error(`Answered with ${status}`)),
    ),
    titles: [
      "hands a 204 back as it is",
      "shows the user's answer hooks a 401 once where the session is over",
    ],
  },
  {
    name: "sends the token everywhere",
    adapter: (session, _, bare) => {
      const connection = session.connect({ origins: () => true });
      return (url, init) =>
        isOurs(connection, url, init) ? connection.send(exchangeOf(url, init, bare)) : bare(url, init);
    },
    titles: ["sends no token to another origin, whose 401 is not refreshed for"],
  },
  {
    name: "takes the token along on redirects",
    adapter: following,
    titles: ["takes no token along on a redirect to another origin"],
  },
  {
    name: "replays from where a redirect led to",
    adapter: led,
    titles: ["keeps the token on a redirect within the origin, and replays from where it began"],
  },
  {
    name: "overwrites an Authorization field of the caller's own",
    adapter: taking((_, isOwned) => !isOwned),
    titles: [
      "leaves a request alone that has an Authorization field of its own: not held, not refreshed for",
    ],
  },
  {
    name: "holds what the refresh itself sends",
    adapter: taking(({ headers }) => !new Headers(headers).has("authorization")),
    titles: [
      "lets the refresh through the client that waits for it, without a token, by the signal it was given",
    ],
  },
  {
    name: "knows no opting out",
    around: ({ send }) => ({ send: (request) => send({ ...request, optOut: false }) }),
    titles: ["leaves a request alone that opts out: not held, not refreshed for"],
  },
  {
    name: "sends under the next sign-in what was made under the last",
    adapter: failing((error, again) => (error instanceof SignedOutError ? again() : Promise.reject(error))),
    titles: [
      "never sends what was made before a sign-in with the new sign-in's token",
      "rejects what was refused or held before a sign-out, and never serves the late refresh",
      "rejects what is refused after a sign-out, and does not refresh for it",
      "rejects what is refused after another sign-in, and does not refresh for it",
    ],
  },
  {
    name: "sends the last token when signed out",
    adapter: remembering,
    titles: ["sends without a token when signed out, and hands the 401 back"],
  },
  {
    name: "makes a 401 of an outage",
    adapter: failing((error) =>
      error instanceof RefreshFailedError ? new Response(null, { status: 401 }) : Promise.reject(error),
    ),
    titles: ["rejects what was refused, and what is held, with RefreshFailedError in an outage: never a 401"],
  },
  {
    name: "makes one error of all that the session says",
    adapter: failing((error) =>
      Promise.reject(error instanceof FreshtokenError ? new Error("Unauthorized") : error),
    ),
    titles: [
      "rejects what is held with RefreshRejectedError where the refresh is rejected, and never sends it",
      "rejects with QueueFullError what is more than may be held",
      "sends a stream once: refused, it rejects, and the token is refreshed for the next call",
    ],
  },
  {
    name: "shows tokens in its errors",
    adapter: failing((error, _, { state }) =>
      Promise.reject(new Error("Refused", { cause: new Error(JSON.stringify(state), { cause: error }) })),
    ),
    titles: ["shows no token in what a request rejects with"],
  },
  {
    name: "hands one refusal to all that were refused",
    adapter(session, origin, bare) {
      let first: Response | undefined;
      const sharing = telling(({ release }) => ({
        async release(response) {
          first ??= await release(response);
          return first.clone();
        },
      }));
      return sharing(session, origin, bare);
    },
    titles: ["hands each its own 401 back, the body readable, where the refresh is rejected"],
  },
  {
    name: "sends again where the connection breaks",
    adapter: failing((error, again) => (error instanceof TypeError ? again() : Promise.reject(error))),
    titles: ["leaves a request whose own answer was lost to its caller, and sends it once"],
  },
];
