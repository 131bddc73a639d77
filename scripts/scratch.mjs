// Copies of the tree, to take something out of or plant something in, and the processes that run in them.
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const temporary = mkdtempSync(join(realpathSync(tmpdir()), "freshtoken-scratch-"));
const children = new Set();

// Each in a process group of its own, so that a worker that spins ends with it.
function stop({ pid }) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {}
}

process.on("exit", () => {
  children.forEach(stop);
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

// The links in the members' node_modules are relative: in the copy they lead to the members of the copy.
export function copyTree(name) {
  const copy = join(temporary, name);
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  const present = String(listed).split("\0").filter(existsSync);
  for (const path of present) cpSync(path, join(copy, path));
  const members = ["packages", "apps"].flatMap((parent) =>
    readdirSync(parent).map((name) => join(parent, name)),
  );
  for (const folder of members.map((member) => join(member, "node_modules")))
    if (existsSync(folder)) cpSync(folder, join(copy, folder), { recursive: true, verbatimSymlinks: true });
  mkdirSync(join(copy, "node_modules"));
  const linked = readdirSync("node_modules").filter((path) => path === ".pnpm" || !path.startsWith("."));
  for (const path of linked) symlinkSync(resolve("node_modules", path), join(copy, "node_modules", path));
  return copy;
}

// Runs this Node in a copy until it ends, or the deadline comes. Resolves with its exit code and what it printed.
export function runIn(copy, args, deadline) {
  const child = spawn(process.execPath, args, {
    cwd: copy,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  children.add(child);
  const timer = setTimeout(stop, deadline, child);
  return new Promise((done) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      children.delete(child);
      done({ code, output: Buffer.concat(chunks).toString() });
    });
  });
}

// Replaces text that must be there exactly once. Returns the undo; undefined where it is not.
export function patch(copy, { file, find, replace }) {
  const path = join(copy, file);
  const source = existsSync(path) ? readFileSync(path, "utf8") : "";
  const parts = source.split(find);
  if (parts.length !== 2) return undefined;
  writeFileSync(path, parts.join(replace));
  return () => writeFileSync(path, source);
}
