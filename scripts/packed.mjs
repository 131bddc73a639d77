// A project that has the packages as they would be published in its node_modules, and nothing else.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

export function tar(...args) {
  return execFileSync("tar", args, { encoding: "utf8" });
}

// Packs each package, and unpacks it into a new folder, which is gone when this process is.
export function packed() {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "freshtoken-tarballs-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const args = ["--recursive", "--filter", "./packages/*", "pack", "--pack-destination", folder];
  execFileSync("pnpm", args, { stdio: ["ignore", "ignore", "inherit"] });
  const tarballs = readdirSync(folder).map((name) => join(folder, name));
  return { folder, packages: tarballs.map((tarball) => unpack(tarball, folder)) };
}

function unpack(tarball, folder) {
  const manifest = JSON.parse(tar("-xzOf", tarball, "package/package.json"));
  const home = join(folder, "node_modules", manifest.name);
  mkdirSync(home, { recursive: true });
  tar("-xzf", tarball, "-C", home, "--strip-components=1");
  linkOthers(manifest, folder);
  return { tarball, manifest };
}

// What is not ours: the clients that a package adapts, the libraries that it stands on.
function linkOthers({ name, dependencies = {}, peerDependencies = {} }, folder) {
  const others = Object.keys({ ...dependencies, ...peerDependencies });
  for (const other of others.filter((name) => !name.startsWith("@freshtoken/"))) {
    const installed = resolve("packages", basename(name), "node_modules", other);
    const link = join(folder, "node_modules", other);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(realpathSync(installed), link, "junction");
  }
}
