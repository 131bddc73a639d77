// What an application pays for each way of importing us, minified. README.md must say the same.
import { existsSync, readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

// Limits in bytes of brotli. `row` is the package whose line in the README's table gives this size; `without` is a
// text of something that is not to come along; `beside` is a library of which only what we add is counted.
const shapes = [
  {
    name: "core: createSession",
    code: 'export { createSession } from "@freshtoken/core"',
    limit: 11_900,
    row: "@freshtoken/core",
  },
  {
    name: "core: everything",
    code: 'export * from "@freshtoken/core"',
    limit: 12_500,
  },
  {
    name: "fetch, without core",
    code: 'export { sessionFetch } from "@freshtoken/fetch"',
    external: ["@freshtoken/core"],
    limit: 1_300,
    row: "@freshtoken/fetch",
  },
  {
    name: "axios, without core",
    code: 'export { attachSession } from "@freshtoken/axios"',
    external: ["@freshtoken/core", "axios"],
    limit: 2_200,
    row: "@freshtoken/axios",
  },
  {
    name: "ky, without core",
    code: 'export { sessionHooks } from "@freshtoken/ky"',
    external: ["@freshtoken/core", "ky"],
    limit: 1_900,
    row: "@freshtoken/ky",
  },
  {
    name: "oauth, without core",
    code: 'export { createOAuth } from "@freshtoken/oauth"',
    external: ["@freshtoken/core"],
    limit: 8_050,
    row: "@freshtoken/oauth",
    without: "dpop+jwt",
  },
  {
    name: "oauth, what it adds",
    code: 'export { createOAuth } from "@freshtoken/oauth"',
    external: ["@freshtoken/core"],
    beside: { name: "oauth4webapi", in: "packages/oauth" },
    limit: 2_000,
  },
  {
    name: "oauth and its DPoP",
    code: 'export { createOAuth } from "@freshtoken/oauth"; export { browserKey, dpop } from "@freshtoken/oauth/dpop"',
    external: ["@freshtoken/core"],
    limit: 11_450,
  },
  {
    name: "browser, without core",
    code: 'export { browserStore } from "@freshtoken/browser"',
    external: ["@freshtoken/core"],
    limit: 1_500,
    row: "@freshtoken/browser",
  },
  {
    name: "sqlite, without core",
    code: 'export { sqliteStore } from "@freshtoken/sqlite"',
    external: ["@freshtoken/core", "node:*"],
    limit: 3_600,
    row: "@freshtoken/sqlite",
  },
  {
    name: "redis, without core",
    code: 'export { redisStore } from "@freshtoken/redis"',
    external: ["@freshtoken/core"],
    limit: 6_800,
    row: "@freshtoken/redis",
  },
  {
    name: "core and fetch",
    code: 'export { createSession } from "@freshtoken/core"; export { sessionFetch } from "@freshtoken/fetch"',
    limit: 12_900,
  },
];

const entry = (name, path = "") => `./packages/${name}/dist${path}/index.js`;

// What is external here has no side effects: of it only what is used is imported.
function leaveOut(names) {
  const resolve = ({ path }) =>
    names.includes(path) ? { path, external: true, sideEffects: false } : undefined;
  return { name: "leave out", setup: ({ onResolve }) => onResolve({ filter: /./ }, resolve) };
}

async function measure({ code, external = [], beside, resolveDir = "." }) {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: code.replaceAll(/"@freshtoken\/(\w+)(\/\w+)?"/g, (_, ...path) => `"${entry(...path)}"`),
      resolveDir,
    },
    bundle: true,
    plugins: [leaveOut(external)],
    external: external.filter((name) => name.includes("*")),
    format: "esm",
    legalComments: "none",
    logLevel: "error",
    metafile: true,
    minify: true,
    outdir: ".",
    splitting: true,
    target: "es2022",
    treeShaking: true,
    write: false,
  });
  // What is imported only when it is needed, is a file of its own, and not counted.
  const contents = Buffer.concat(needed(metafile).map((index) => outputFiles[index].contents));
  const text = contents.toString();
  const brotli = brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const gzip = gzipSync(contents, { level: 9 });
  const size = { minified: contents.length, gzip: gzip.length, brotli: brotli.length, text };
  return beside ? added(size, await measure(await used({ code, external, beside }))) : size;
}

// What a shape uses of a library, as a shape of its own.
async function used({ code, external, beside }) {
  const { text } = await measure({ code, external: [...external, beside.name] });
  const imports = text.matchAll(/import\{([^}]*)\}from"([^"]*)"/g);
  const names = [...imports]
    .filter(([, , from]) => from === beside.name)
    .flatMap(([, list]) => list.split(","));
  const exported = new Set(names.map((name) => name.split(" as ")[0]));
  return { code: `export { ${[...exported].join(", ")} } from "${beside.name}"`, resolveDir: beside.in };
}

function added(whole, part) {
  const columns = ["minified", "gzip", "brotli"];
  return Object.fromEntries(columns.map((column) => [column, whole[column] - part[column]]));
}

// The places of the entry, and of what it imports at once.
function needed({ outputs }) {
  const paths = Object.keys(outputs);
  const found = new Set(paths.filter((path) => outputs[path].entryPoint === "<stdin>"));
  for (const path of found)
    for (const { path: other, kind, external } of outputs[path].imports)
      if (kind === "import-statement" && !external) found.add(other);
  return [...found].map((path) => paths.indexOf(path));
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

// A row of the README's table: | `@freshtoken/core` | … | 5.1 kB |
function stated(name) {
  const readme = existsSync("README.md") ? readFileSync("README.md", "utf8") : "";
  const row = readme.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${name}\``));
  return row?.match(/[\d.]+ kB/)?.[0];
}

const problems = [];
const columns = ["minified", "gzip", "brotli", "limit"];
console.log("".padEnd(22), ...columns.map((column) => column.padStart(9)));
for (const shape of shapes) {
  const size = { ...(await measure(shape)), limit: shape.limit };
  console.log(shape.name.padEnd(22), ...columns.map((column) => String(size[column]).padStart(9)));

  if (shape.without && size.text.includes(shape.without))
    problems.push(`${shape.name}: brings ${shape.without}`);
  if (size.brotli > shape.limit)
    problems.push(`${shape.name}: ${size.brotli} bytes, the limit is ${shape.limit}`);
  const said = shape.row && stated(shape.row);
  // One decimal of tolerance: a comment more or less is no news.
  if (said && Math.abs(Number.parseFloat(said) * 1000 - size.brotli) > 150) {
    problems.push(`README.md says ${said} for ${shape.row}, measured is ${kilobytes(size.brotli)}`);
  }
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
