import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const host = "127.0.0.1";

/** An HTTP server on a loopback port, and the origin it answers for. */
export interface Listener {
  readonly server: Server;
  readonly origin: string;
  /** Ends connections too, busy ones included; resolves when the port is free. */
  close(): Promise<void>;
}

/**
 * Opens a port; 0 takes a free one. What answers its requests is attached afterwards, since it wants to know the origin.
 *
 * Rejects with one line where the port is in use, naming the option to change.
 */
export async function listen(port: number, option: string): Promise<Listener> {
  const server = createServer();
  await opened(server, port).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "EADDRINUSE" ? portInUse(port, option, error) : error;
  });
  const address = server.address() as AddressInfo; // neither a pipe nor closed: it was just opened on a port
  return { server, origin: `http://${host}:${address.port}`, close: () => closed(server) };
}

async function opened(server: Server, port: number): Promise<void> {
  server.listen(port, host);
  await once(server, "listening");
}

async function closed(server: Server): Promise<void> {
  const end = once(server, "close");
  server.close();
  server.closeAllConnections();
  await end;
}

function portInUse(port: number, option: string, cause: Error): Error {
  return new Error(`The port ${port} is in use. Choose another with the option ${option}.`, { cause });
}
