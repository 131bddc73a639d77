import type { Findings, Layer, Scale } from "../layer.ts";
import { requests } from "./requests.ts";
import { sessions } from "./sessions.ts";

export const COUNTS: Readonly<Record<Scale, { readonly requests: number; readonly sessions: number }>> = {
  test: { requests: 20_000, sessions: 200 },
  prove: { requests: 1_000_000, sessions: 10_000 },
};

async function explore(scale: Scale, progress: (line: string) => void): Promise<Findings> {
  const counts = COUNTS[scale];
  const violations = [
    ...(await requests(counts.requests, progress)),
    ...(await sessions(counts.sessions, progress)),
  ];
  return {
    bounds:
      "requests that go at once, that are held, refused, aborted or failed, all with one signal; sessions that are closed while one is held and a refresh hangs",
    explored: `${counts.requests.toLocaleString("en")} requests through one session, ${counts.sessions.toLocaleString("en")} sessions`,
    violations,
    limits: {},
    notes: [
      "Counted after a collection: the heap, every exchange and answer in it, the listeners on the signal, the timers of the clock.",
    ],
  };
}

/** Uses a session for long, and opens and closes many: nothing of it may stay. */
export const leaks: Layer = {
  name: "Leaks",
  what: "Sends very many requests through one session with one signal, opens and closes very many sessions, and counts what is left.",
  explore,
};
