import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { lacksRedis } from "./redis-server.ts";

test.skipIf(lacksRedis)(
  "a Redis that was started for a test ends with it, also when that is killed",
  async () => {
    const program = new URL("./redis-orphan.ts", import.meta.url);
    const child = fork(program, { execArgv: ["--conditions=@freshtoken/source"] });
    const [port] = await once(child, "message");

    child.kill("SIGKILL");

    await expect.poll(() => isListening(port as number), { timeout: 10_000 }).toBe(false);
  },
);

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
