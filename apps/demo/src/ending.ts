import { readFileSync } from "node:fs";

/** Calls `end` at Ctrl-C, when asked to terminate, and when whoever started this process is gone. */
export function onEnding(end: (exitCode: number) => void): void {
  process.once("SIGINT", () => end(130));
  process.once("SIGTERM", () => end(143));
  process.once("SIGHUP", () => end(129));
  process.stdout.once("error", () => end(1));
  const ancestors = lineage();
  setInterval(() => lineage() !== ancestors && end(1), 200).unref();
}

// npx, sh, pnpm, sh, node: when npx is killed the others live on, so our own parent is not enough to look at, it is
// all those above us in the same terminal session. Only Linux shows them; elsewhere it is the parent.
function lineage(): string {
  const { parent, session } = statOf("self") ?? { parent: process.ppid, session: -1 };
  const pids = [parent];
  for (let above = statOf(parent); above?.session === session; above = statOf(above.parent)) {
    pids.push(above.parent);
  }
  return pids.join();
}

function statOf(pid: number | "self"): { readonly parent: number; readonly session: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything: what follows is state, parent, group, session.
    const [, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(parent), session: Number(session) };
  } catch {
    return undefined;
  }
}
