// Packages of one shape, the arrows between them, and no cycle of values inside one.
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";

// Who may depend on whom; a new package says here where it stands.
const arrows = {
  core: [],
  fetch: ["core"],
  axios: ["core"],
  ky: ["core", "fetch"],
  oauth: ["core"],
  browser: ["core"],
  sqlite: ["core"],
  redis: ["core"],
  testing: ["core"],
};

const same = {
  license: "MIT",
  type: "module",
  sideEffects: false,
  files: ["dist", "src"],
  scripts: { build: "tsc -p tsconfig.build.json" },
  engines: { node: ">=20" },
};
// What stands on a part of Node that older ones lack; its entry says so itself, too, where that part is missing.
const special = {
  sqlite: { engines: { node: ">=24" } }, // node:sqlite, which warns on Node 22
};
const own = ["name", "version", "description", "exports", "publishConfig", "dependencies", "devDependencies"];
const optional = ["peerDependencies", "peerDependenciesMeta"];

const problems = [];
function must(holds, problem) {
  if (!holds) problems.push(problem);
}

const read = (file) => readFileSync(file, "utf8");
const folders = (parent) => globSync(`${parent}/*/package.json`).map((file) => join(file, ".."));
const sources = (folder) => globSync(`${folder}/{src,test}/**/*.ts`);

function checkFields(folder, manifest) {
  const wanted = [...own, ...Object.keys(same)];
  for (const key of wanted) must(key in manifest, `${folder}/package.json lacks ${key}`);
  for (const key of Object.keys(manifest)) {
    must([...wanted, ...optional].includes(key), `${folder}/package.json has ${key}, the others do not`);
  }
  for (const [key, value] of Object.entries({ ...same, ...special[basename(folder)] })) {
    must(
      isDeepStrictEqual(manifest[key], value),
      `${folder}/package.json: ${key} must be ${JSON.stringify(value)}`,
    );
  }
  must(
    manifest.name === `@freshtoken/${basename(folder)}`,
    `${folder}/package.json: name is not its folder's`,
  );
  for (const file of ["README.md", "tsconfig.build.json"]) {
    must(existsSync(join(folder, file)), `${folder} lacks ${file}`);
  }
}

// Each entry has a source for us and what is built from it for the world; publishing drops the source.
function checkEntries(folder, { exports: local = {}, publishConfig = {} }) {
  const { access, provenance, exports: published = {} } = publishConfig;
  must(access === "public" && provenance === true, `${folder}/package.json: must be public, with provenance`);
  must(
    isDeepStrictEqual(Object.keys(local), Object.keys(published)),
    `${folder}/package.json: publishes other entries`,
  );
  for (const [path, conditions] of Object.entries(local)) {
    const source = conditions["@freshtoken/source"] ?? "";
    const built = source.replace(/^\.\/src\/(.+)\.ts$/, "./dist/$1");
    const expected = { types: `${built}.d.ts`, default: `${built}.js` };
    must(
      existsSync(join(folder, source)) && built !== source,
      `${folder}/package.json: no source for entry ${path}`,
    );
    must(
      isDeepStrictEqual(conditions, { "@freshtoken/source": source, ...expected }) &&
        isDeepStrictEqual(published[path], expected),
      `${folder}/package.json: entry ${path} must be ${JSON.stringify(expected)}, and at home have a source`,
    );
  }
}

function imports(file) {
  const text = read(file);
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?(?:[\w$*{}\s,]+?\s+from\s+)?"([^"]+)"/gm);
  const calls = text.matchAll(/\bimport\(\s*"([^"]+)"/g);
  return [
    ...[...statements].map(([, type, specifier]) => ({ specifier, value: type === undefined })),
    ...[...calls].map(([, specifier]) => ({ specifier, value: false })),
  ];
}

function checkHome(folder) {
  for (const file of sources(folder)) {
    for (const { specifier } of imports(file)) {
      const away =
        specifier.startsWith(".") && relative(folder, join(file, "..", specifier)).startsWith("..");
      must(!away, `${file} reaches out of its package: ${specifier}`);
    }
  }
}

function checkArrows(folder, { dependencies, peerDependencies }) {
  const name = basename(folder);
  must(name in arrows, `scripts/shape.mjs does not say what ${name} may depend on`);
  const installed = Object.keys({ ...dependencies, ...peerDependencies });
  must(name !== "core" || installed.length === 0, "core depends on nothing");
  for (const other of installed.filter((dependency) => dependency.startsWith("@freshtoken/"))) {
    must(arrows[name]?.includes(basename(other)), `${folder}/package.json depends on ${other}`);
  }
  for (const file of globSync(`${folder}/src/**/*.ts`)) {
    for (const { specifier } of imports(file)) {
      const fine = /^\./.test(specifier) || (/^node:/.test(specifier) && name !== "core");
      const listed = installed.some((other) => specifier === other || specifier.startsWith(`${other}/`));
      must(fine || listed, `${file} imports ${specifier}, which ${name} does not depend on`);
    }
  }
}

function checkCycles(folder) {
  const finished = new Set();
  const visit = (file, path) => {
    if (path.includes(file))
      return problems.push(`cycle: ${[...path.slice(path.indexOf(file)), file].join(" → ")}`);
    if (finished.has(file)) return;
    for (const { specifier, value } of imports(file)) {
      if (value && specifier.startsWith(".")) visit(join(file, "..", specifier), [...path, file]);
    }
    finished.add(file);
  };
  for (const file of globSync(`${folder}/src/**/*.ts`)) visit(file, []);
}

for (const folder of folders("packages")) {
  const manifest = JSON.parse(read(join(folder, "package.json")));
  checkFields(folder, manifest);
  checkEntries(folder, manifest);
  checkArrows(folder, manifest);
  checkCycles(folder);
}
for (const folder of [...folders("packages"), ...folders("apps")]) checkHome(folder);

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
