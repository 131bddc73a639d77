// Packs each package as it would be published, and holds the tarballs against publint, attw, plain Node and a newcomer.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { problemAffectsResolutionKind } from "@arethetypeswrong/core/problems";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { packed, tar } from "./packed.mjs";

// The values that each entry documents, no more and no fewer.
const documented = {
  "@freshtoken/axios": ["attachSession"],
  "@freshtoken/browser": ["browserStore"],
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
    "sessionPool",
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
    "stepUpChallenge",
  ],
  "@freshtoken/oauth/dpop": ["browserKey", "dpop"],
  "@freshtoken/sqlite": ["sqliteStore"],
  "@freshtoken/redis": ["redisStore"],
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

// Beside the checks: it mostly waits.
function newcomer() {
  const args = ["scripts/newcomer.mjs", folder];
  const trial = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"], timeout: 90_000 });
  const chunks = [];
  trial.stderr.on("data", (chunk) => chunks.push(chunk));
  process.on("exit", () => trial.kill());
  return new Promise((done) => {
    trial.on("close", (code) => done(code === 0 ? [] : [`newcomer: ${Buffer.concat(chunks)}`]));
  });
}

const problems = [];
const { folder, packages } = packed();
const trial = newcomer();
for (const { tarball, manifest } of packages) {
  const found = [...contents(tarball), ...(await shape(tarball)), ...(await types(tarball))];
  problems.push(...found.map((problem) => `${manifest.name}: ${problem}`));
}
const entries = packages.flatMap(({ manifest }) =>
  Object.keys(manifest.exports).map((path) => join(manifest.name, path)),
);
problems.push(...entries.flatMap(surface), ...(await trial));

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
