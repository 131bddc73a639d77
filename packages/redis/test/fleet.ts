import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, entriesAt, type Server, type ServerOptions, violationsIn } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { type Ends, type Machine, type MachineOptions, startMachine } from "./machine.ts";
import type { Answer, Order } from "./machine-process.ts";

/** A machine that can be stopped in its tracks. */
export interface MachineProcess extends Machine {
  freeze(): void;
  thaw(): void;
}

const program = new URL("./machine-process.ts", import.meta.url);

/** Makes a machine in a process of its own. */
async function spawnMachine(options: MachineOptions): Promise<MachineProcess> {
  const child = fork(program, [JSON.stringify(options)], {
    execArgv: ["--conditions=@freshtoken/source"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const pending = new Map<number, (result: unknown) => void>();
  let orders = 0;

  function tell<R>(what: Order["what"], given?: Order["given"]): Promise<R> {
    const number = ++orders;
    child.send({ number, what, given } satisfies Order);
    return new Promise((resolve) => void pending.set(number, resolve as (result: unknown) => void));
  }

  await new Promise<void>((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`${options.name} has ended, with ${code}`)));
    child.on("message", ({ number, result }: Answer) => {
      if (number === undefined) resolve();
      else pending.get(number)?.(result);
    });
  });
  return {
    name: options.name,
    burst: (count) => tell("burst", count),
    signIn: (tokens) => tell("signIn", tokens),
    states: () => tell("states"),
    stopped: () => tell("stopped"),
    goOn: () => tell("goOn"),
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    kill: () => killed(child),
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Machines that share sessions, and an authorization server that bites. */
export interface Fleet<M extends Machine = Machine> {
  readonly server: Server;
  readonly machines: readonly M[];
  /** The sum of what each machine's requests came to. */
  burst(count: number, machines?: readonly Machine[]): Promise<Ends>;
  /** What the log shows that must never happen. */
  violations(): string[];
  close(): Promise<void>;
}

export interface FleetOptions extends Partial<Omit<MachineOptions, "ids" | "name" | "origin">> {
  readonly port: number;
  readonly machines: number;
  /** How many sessions they share. @default 1 */
  readonly sessions?: number;
  readonly server?: ServerOptions;
  /** What one machine has of its own, by its place. */
  each?(index: number): Partial<MachineOptions>;
}

let fleets = 0;

/** Starts machines in this process. All sessions are signed in, and every machine knows. */
export function startFleet(options: FleetOptions): Promise<Fleet> {
  return gather(options, startMachine);
}

/** Starts machines in a process each. All sessions are signed in, and every machine knows. */
export function spawnFleet(options: FleetOptions): Promise<Fleet<MachineProcess>> {
  return gather(options, spawnMachine);
}

async function gather<M extends Machine>(
  { machines: count, sessions = 1, each, server: serverOptions, ...rest }: FleetOptions,
  start: (options: MachineOptions) => Promise<M>,
): Promise<Fleet<M>> {
  const server = createServer(serverOptions);
  const listener = await listen(server);
  const fleet = `${process.pid}.${++fleets}`;
  const ids = Array.from({ length: sessions }, (_, index) => `fleet ${fleet}, session ${index}`);
  const startAt = (index: number) =>
    start({ ...rest, ...each?.(index), name: `m${index}`, origin: listener.origin, ids });
  const first = await startAt(0);
  await first.signIn(ids.map(() => server.signIn()));
  const others = await Promise.all(Array.from({ length: count - 1 }, (_, index) => startAt(index + 1)));
  const machines = [first, ...others];

  return {
    server,
    machines,
    burst: async (requests, some = machines) =>
      added(await Promise.all(some.map((machine) => machine.burst(requests)))),
    violations() {
      const note = ({ headers }: { headers: Readonly<Record<string, string>> }) => {
        const { "x-by": by = "", "x-request": request } = headers;
        return { by, ...(request !== undefined && { request }) };
      };
      // Over sockets of their own, requests that were sent first may arrive last.
      return violationsIn(server.log, { note, except: ["older"] }).map(({ what }) => what);
    },
    async close() {
      await Promise.all(machines.map((machine) => machine.kill()));
      await listener.close();
    },
  };
}

function added(all: readonly Ends[]): Ends {
  const sums: Record<string, number> = {};
  for (const ends of all) {
    for (const [end, times] of Object.entries(ends)) sums[end] = (sums[end] ?? 0) + times;
  }
  return sums;
}

/** Which machines asked for new tokens, in order. */
export function askers({ log }: Server): (string | undefined)[] {
  return entriesAt(log, "token").map(({ headers }) => headers["x-by"]?.split("/")[0]);
}
