import { setTimeout as delay } from "node:timers/promises";
import type { AuthorizationServer } from "@freshtoken/authorization-server";
import { type Burst, type Client, sendBursts } from "./bursts.ts";
import { byHand, freshtoken } from "./clients.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { count, type Entry } from "./journal.ts";
import { showProgress } from "./progress.ts";

/** One client's bursts: what was seen of each, and what came of them all. */
export interface Run {
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly figures: Figures;
}

/** Sends the same bursts through Freshtoken and through the wrapper written by hand, each with a sign-in of its own. */
export async function compare(server: AuthorizationServer, plan: readonly Burst[]): Promise<[Run, Run]> {
  const progress = showProgress("sending a burst whenever the token expires");

  async function run(connecting: Promise<Client>): Promise<Run> {
    const client = await connecting;
    const { name, journal } = client;
    await sendBursts(client, plan, (entry, burst) =>
      progress.say(`burst ${burst + 1} of ${plan.length}  ${name.padEnd(10)}  ${summary(entry)}`),
    );
    return { name, entries: journal.entries, figures: figuresOf(client, server.ledger) };
  }

  try {
    // Not at the same time, so that neither queues behind the other's hundred requests.
    return await Promise.all([run(freshtoken(server)), delay(1500).then(() => run(byHand(server)))]);
  } finally {
    progress.end();
  }
}

function summary(entry: Entry): string {
  const answered = `${String(count([entry], "answered")).padStart(3)} answered`;
  const others = (["held", "refused", "replayed", "lost"] as const)
    .map((what) => [what, count([entry], what)] as const)
    .filter(([, number]) => number > 0)
    .map(([what, number]) => `${number} ${what}`);
  const refreshes = count([entry], "refresh");
  return [answered, ...others, `${refreshes} ${refreshes === 1 ? "refresh" : "refreshes"}`].join(", ");
}
