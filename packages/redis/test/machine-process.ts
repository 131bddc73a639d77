// A machine in a process of its own. It does what its parent tells it, and ends with it.
import type { TokenResponse } from "@freshtoken/core";
import { type MachineOptions, startMachine } from "./machine.ts";

/** What a machine is told: which of its methods, and with what. */
export interface Order {
  readonly number: number;
  readonly what: "burst" | "signIn" | "states" | "stopped" | "goOn";
  readonly given: number | readonly TokenResponse[] | undefined;
}

/** What it answers; without a number, that it is ready. */
export interface Answer {
  readonly number?: number;
  readonly result?: unknown;
}

const options: MachineOptions = JSON.parse(process.argv[2] ?? "{}");
process.on("disconnect", () => process.exit());
const machine = await startMachine(options);

process.on("message", async ({ number, what, given }: Order) => {
  // Who orders knows what each method takes.
  const method = machine[what] as (given: unknown) => Promise<unknown>;
  process.send?.({ number, result: await method(given) } satisfies Answer);
});
process.send?.({} satisfies Answer);
