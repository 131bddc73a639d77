import { setTimeout as delay } from "node:timers/promises";
import type { AuthorizationServer } from "@freshtoken/authorization-server";
import { type Burst, sendBursts } from "./bursts.ts";
import { clients } from "./clients.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { count, type Entry } from "./journal.ts";
import { showProgress } from "./progress.ts";
import { watchRejections } from "./rejections.ts";

/** One client's bursts: what was seen of each, and what came of them all. */
export interface Run {
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly figures: Figures;
}

// Apart, so that none of them queues behind another's hundred requests.
const apart = 600;

/** Sends the same bursts through every client, each with a sign-in of its own. */
export async function compare(server: AuthorizationServer, plan: readonly Burst[]): Promise<readonly Run[]> {
  const progress = showProgress("sending a burst whenever the token expires");
  const rejections = watchRejections();

  async function run(connect: (typeof clients)[number], index: number): Promise<Run> {
    await delay(index * apart);
    const client = await connect(server);
    const { name, journal } = client;
    const tell = (entry: Entry, burst: number) =>
      progress.say(`burst ${burst + 1} of ${plan.length}  ${name.padEnd(18)}  ${summary(entry)}`);
    await rejections.of(journal, async () => {
      await sendBursts(client, plan, tell);
      await client.signOut?.();
    });
    return { name, entries: journal.entries, figures: figuresOf(client, server.ledger) };
  }

  try {
    return await Promise.all(clients.map(run));
  } finally {
    rejections.end();
    progress.end();
  }
}

function summary(entry: Entry): string {
  const answered = `${String(count([entry], "answered")).padStart(3)} answered`;
  const others = (["held", "refused", "lost"] as const)
    .map((what) => [what, count([entry], what)] as const)
    .filter(([, number]) => number > 0)
    .map(([what, number]) => `${number} ${what}`);
  const refreshes = count([entry], "refresh");
  return [answered, ...others, `${refreshes} ${refreshes === 1 ? "refresh" : "refreshes"}`].join(", ");
}
