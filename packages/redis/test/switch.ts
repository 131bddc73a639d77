import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** One address in front of several servers, as a failover has it. */
export interface Switch {
  readonly port: number;
  /** Leads to another server from now on; what is open breaks. */
  lead(port: number): void;
  close(): Promise<void>;
}

export async function startSwitch(port: number): Promise<Switch> {
  const sockets = new Set<Socket>();
  let target = port;

  const server = createServer((socket) => {
    const upstream = connect(target, "127.0.0.1");
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");

  function breakAll(): void {
    for (const socket of sockets) socket.resetAndDestroy();
  }
  return {
    port: (server.address() as AddressInfo).port,
    lead(next) {
      target = next;
      breakAll();
    },
    async close() {
      breakAll();
      server.close();
      await once(server, "close");
    },
  };
}
