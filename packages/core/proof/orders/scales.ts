import type { Scale } from "../layer.ts";
import type { Bounds } from "./bounds.ts";

/** How a session can begin. */
export const EVERYWHERE = ["signedIn", "stored", "nothing", "restore"] as const;

const plain: Bounds = {
  name: "",
  requests: 2,
  streams: 0,
  disturbances: 1,
  generations: 0,
  maxHeld: Number.POSITIVE_INFINITY,
  interrupts: false,
  isExclusive: true,
  signs: false,
  begins: EVERYWHERE,
  maxStates: 200_000_000,
  maxMs: Number.POSITIVE_INFINITY,
};

function bounds(changed: Partial<Bounds>): Bounds {
  const made = { ...plain, ...changed };
  return { ...made, name: nameOf(made) };
}

/** What each scale searches, in order. */
export const SCALES: Readonly<Record<Scale, readonly Bounds[]>> = {
  test: [
    bounds({ begins: ["signedIn"] }),
    bounds({ requests: 1, interrupts: true }),
    bounds({ streams: 1, maxHeld: 1, disturbances: 0, interrupts: true }),
    bounds({ requests: 1, disturbances: 0, interrupts: true, signs: true }),
  ],
  prove: [
    bounds({ streams: 1, maxHeld: 1, maxMs: 60_000 }),
    bounds({ isExclusive: false, maxMs: 60_000 }),
    bounds({ signs: true, maxMs: 60_000 }),
    bounds({ requests: 1, disturbances: 2, begins: ["signedIn"], interrupts: true, maxMs: 240_000 }),
    bounds({ requests: 1, disturbances: 3, begins: ["signedIn"], maxMs: 240_000 }),
    bounds({ generations: 1, interrupts: true, maxMs: 240_000 }),
    bounds({ disturbances: 2, begins: ["signedIn"], maxMs: 240_000 }),
    bounds({ requests: 3, maxMs: 300_000 }),
  ],
};

/** How far four requests are followed. */
export const FOUR: Readonly<Record<Scale, Bounds>> = {
  test: bounds({ requests: 4, maxMs: 2_000 }),
  prove: bounds({ requests: 4, maxMs: 600_000 }),
};

function nameOf({
  requests,
  streams,
  disturbances,
  generations,
  maxHeld,
  interrupts,
  isExclusive,
  signs,
  begins,
}: Bounds) {
  const parts = [
    counted(requests, "request"),
    streams > 0 && `${streams} of them with a stream`,
    counted(disturbances, "disturbance"),
    `tokens that age up to generation ${generations}`,
    maxHeld < requests && `at most ${maxHeld} held`,
    interrupts ? "the world between any two microtasks" : "the world between tasks",
    !isExclusive && "no exclusive section",
    signs && "fields that take a while",
    `beginning ${begins.join(", ")}`,
  ];
  return parts.filter((part) => part).join(", ");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
