// Packs each package as it would be published, and holds the tarballs against publint, attw and plain Node.
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { problemAffectsResolutionKind } from "@arethetypeswrong/core/problems";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

// The values that each entry documents, no more and no fewer.
const documented = {
  "@freshtoken/axios": ["attachSession"],
  "@freshtoken/core": [
    "FreshtokenError",
    "NotReplayableError",
    "QueueFullError",
    "RefreshFailedError",
    "RefreshRejectedError",
    "SignedOutError",
    "bearer",
    "cookie",
    "createSession",
    "jwtExpiresAt",
    "memoryStore",
  ],
  "@freshtoken/fetch": ["sendThrough", "sessionFetch"],
  "@freshtoken/ky": ["sessionHooks"],
  "@freshtoken/oauth": [
    "ClientSecretBasic",
    "ClientSecretPost",
    "None",
    "OAuthError",
    "PrivateKeyJwt",
    "TlsClientAuth",
    "createOAuth",
  ],
  "@freshtoken/testing": [
    "createClock",
    "createGate",
    "createServer",
    "entriesAt",
    "ledger",
    "readableTokens",
    "secretTokens",
    "settled",
    "story",
    "violationsIn",
  ],
  "@freshtoken/testing/contract": ["adapterContract", "storeContract"],
  "@freshtoken/testing/node": ["host", "listen"],
};

const wanted = ["dist/index.js", "dist/index.d.ts", "package.json", "README.md", "LICENSE"];
const allowed = /^(dist\/.+\.(js|js\.map|d\.ts)|src\/.+\.ts|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;

// ESM only: the two that resolve as CommonJS get an ES module, which `require` takes (checked below).
const resolutions = ["node16-esm", "bundler"];

const folder = mkdtempSync(join(tmpdir(), "freshtoken-tarballs-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

function pack() {
  const args = ["--recursive", "--filter", "./packages/*", "pack", "--pack-destination", folder];
  execFileSync("pnpm", args, { stdio: ["ignore", "ignore", "inherit"] });
  return readdirSync(folder).map((name) => join(folder, name));
}

function tar(...args) {
  return execFileSync("tar", args, { encoding: "utf8" });
}

function contents(tarball) {
  const manifest = tar("-xzOf", tarball, "package/package.json");
  const files = tar("-tzf", tarball)
    .trim()
    .split("\n")
    .map((file) => file.replace(/^package\//, ""));
  return [
    ...wanted.filter((file) => !files.includes(file)).map((file) => `lacks ${file}`),
    ...files.filter((file) => !allowed.test(file)).map((file) => `brings ${file}`),
    ...(manifest.match(/workspace:|catalog:|@freshtoken\/source/g) ?? []).map(
      (word) => `package.json says ${word}`,
    ),
  ];
}

async function shape(tarball) {
  const { buffer } = new Uint8Array(readFileSync(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, pkg)}`);
}

async function types(tarball) {
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
  if (!analysis.types) return ["attw: has no types"];
  return analysis.problems
    .filter((problem) => resolutions.some((kind) => problemAffectsResolutionKind(problem, kind, analysis)))
    .map(
      (problem) =>
        `attw: ${problem.kind} ${problem.entrypoint ?? problem.typesFileName ?? problem.fileName ?? ""}`,
    );
}

// In a project that has the tarballs in its node_modules, and nothing else.
function exported(entry, load) {
  const program = `console.log(JSON.stringify(Object.keys(${load}(${JSON.stringify(entry)})).sort()))`;
  const type = load === "require" ? "commonjs" : "module";
  const args = [`--input-type=${type}`, "--eval", program];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  return status === 0 ? stdout.trim() : (/^.*Error.*$/m.exec(stderr)?.[0] ?? stderr);
}

function surface(entry) {
  const names = JSON.stringify(documented[entry]);
  return ["await import", "require"]
    .map((load) => ({ load, found: exported(entry, load) }))
    .filter(({ found }) => found !== names)
    .map(({ load, found }) => `${load}("${entry}") gives ${found}, documented is ${names}`);
}

// What is not ours: the clients that a package adapts, the libraries that it stands on.
function linkOthers({ name, dependencies = {}, peerDependencies = {} }) {
  const others = Object.keys({ ...dependencies, ...peerDependencies });
  for (const other of others.filter((name) => !name.startsWith("@freshtoken/"))) {
    const installed = resolve("packages", basename(name), "node_modules", other);
    symlinkSync(realpathSync(installed), join(folder, "node_modules", other), "junction");
  }
}

const problems = [];
const entries = [];
for (const tarball of pack()) {
  const manifest = JSON.parse(tar("-xzOf", tarball, "package/package.json"));
  const home = join(folder, "node_modules", manifest.name);
  mkdirSync(home, { recursive: true });
  tar("-xzf", tarball, "-C", home, "--strip-components=1");
  linkOthers(manifest);

  entries.push(...Object.keys(manifest.exports).map((path) => join(manifest.name, path)));
  const found = [...contents(tarball), ...(await shape(tarball)), ...(await types(tarball))];
  problems.push(...found.map((problem) => `${manifest.name}: ${problem}`));
}
problems.push(...entries.flatMap(surface));

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
