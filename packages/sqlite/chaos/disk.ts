import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { type Peer, startFleet } from "./fleet.ts";
import { keptIn } from "./record.ts";
import type { Run } from "./traffic.ts";

/** A file system of 512 KB. Returns its undo; undefined: this user may not mount any. */
function mount(folder: string): (() => void) | undefined {
  mkdirSync(folder);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], { stdio: "ignore" });
    return () => execFileSync("umount", [folder]);
  } catch {
    return undefined;
  }
}

function fill(file: string): void {
  try {
    for (let size = 65_536; size >= 1; size >>= 1) {
      try {
        for (;;) writeFileSync(file, Buffer.alloc(size), { flag: "a" });
      } catch {}
    }
  } catch {}
}

/** Fills a real disk under two processes: neither redeems what it could not save, and both go on when there is room. Undefined: it cannot be had here. */
export async function fullDisk(folder: string): Promise<Run | undefined> {
  const unmount = mount(folder);
  if (!unmount) return undefined;
  const [file, filler] = [join(folder, "session.db"), join(folder, "filler")];
  const server = createServer();
  const listener = await listen(server);
  const peers = await startFleet(server.signIn(), { file, origin: listener.origin }, [{}, {}]);
  const [one, two] = peers as [Peer, Peer];
  try {
    fill(filler);
    server.expire();
    const full = [await one.burst(50), await two.burst(50)];
    const states = [await one.state(), await two.state()];
    const before = ledger(server.log).attempts;
    rmSync(filler);
    await one.refresh();
    const after = [await one.burst(50), await two.burst(50)];
    const { attempts } = ledger(server.log);
    const failed = { ERR_REFRESH_FAILED: 50 };
    const served = { 200: 50 };
    const expected = JSON.stringify([[failed, failed], ["signedIn", "signedIn"], 0, [served, served], 1]);
    const found = JSON.stringify([full, states, before, after, attempts]);
    return {
      did: `filled under a refresh, and emptied: ${found}`,
      violations: found === expected ? [] : [`${found}, not ${expected}`],
    };
  } finally {
    await Promise.all(peers.map((peer) => peer.kill()));
    await listener.close();
    keptIn(file);
    unmount();
  }
}
