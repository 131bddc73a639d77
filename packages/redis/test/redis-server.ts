import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real `redis-server`, on a port and in a folder of its own. It ends with the process that has started it. */
export interface RedisServer {
  readonly port: number;
  /** Stops it in its tracks, and lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on its port, after `kill`. */
  start(): Promise<void>;
  /** Sends one command over a connection of its own, and returns the answer as it comes off the wire. */
  command(...words: string[]): Promise<string>;
  close(): Promise<void>;
}

export interface RedisServerOptions {
  /** Whether each write is on the disk before it is answered. @default false: nothing is kept */
  readonly appendOnly?: boolean;
}

const isInstalled = spawnSync("redis-server", ["--version"]).status === 0;

/** Without Redis the tests of a machine are skipped, and that is said. In CI nothing excuses its absence. */
export const lacksRedis: boolean = !isInstalled && process.env.CI !== "true";

export async function startRedis({ appendOnly = false }: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "freshtoken-redis-"));
  const options = [
    ["--dir", folder, "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"],
    ["--appendonly", appendOnly ? "yes" : "no", "--appendfsync", "always", "--enable-debug-command", "yes"],
  ].flat();
  let port = await freePort();
  let running: Running | undefined;

  async function start(): Promise<void> {
    for (let tries = 3; ; port = await freePort()) {
      running = run(["--port", String(port), ...options]);
      if (await isUp(port, running.ended)) return;
      if (--tries === 0) throw new Error("redis-server does not start");
    }
  }

  async function kill(): Promise<void> {
    running?.shell.stdin?.destroy();
    await running?.ended;
    running = undefined;
  }

  async function signal(name: NodeJS.Signals): Promise<void> {
    process.kill(Number(await running?.pid), name);
  }

  await start();
  await running?.pid;
  return {
    get port() {
      return port;
    },
    freeze: () => void signal("SIGSTOP"),
    thaw: () => void signal("SIGCONT"),
    kill,
    start,
    command: (...words) => command(port, words),
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Running {
  readonly shell: ChildProcess;
  readonly pid: Promise<string>;
  readonly ended: Promise<unknown>;
}

// The shell outlives its parent by as long as it takes to notice that its input has ended, whatever has ended it.
function run(options: readonly string[]): Running {
  const script = 'redis-server "$@" >/dev/null 2>&1 & echo $!; cat >/dev/null; kill -KILL $!; wait';
  const shell = spawn("sh", ["-c", script, "sh", ...options], { stdio: ["pipe", "pipe", "ignore"] });
  const pid = once(shell.stdout, "data").then(([line]) => String(line).trim());
  return { shell, pid, ended: once(shell, "close") };
}

async function isUp(port: number, ended: Promise<unknown>): Promise<boolean> {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  for (let tries = 0; tries < 200 && !isOver; tries++) {
    const answer = await command(port, ["PING"]).catch(() => "");
    if (answer.startsWith("+PONG")) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}

async function command(port: number, words: readonly string[]): Promise<string> {
  const socket: Socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    socket.write(`*${words.length}\r\n${parts.join("")}`);
    let answer = "";
    while (!isWhole(answer)) answer += String((await once(socket, "data"))[0]);
    return answer;
  } finally {
    socket.destroy();
  }
}

// Of the wire form of Redis, what the answers to these tests need: a line, or a text of a length that is given.
function isWhole(answer: string): boolean {
  const [line = "", ...rest] = answer.split("\r\n");
  if (rest.length === 0) return false;
  if (/^\$\d/.test(line)) return Buffer.byteLength(rest.join("\r\n")) >= Number(line.slice(1)) + 2;
  return !line.startsWith("*") || rest.length >= 2 * Number(line.slice(1));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
