// The first step of every root script: the right Node, and an install that is whole.
import { existsSync, readdirSync, readFileSync } from "node:fs";

const required = 24;

function manifest(folder) {
  return JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
}

function missing() {
  if (!existsSync("node_modules/.modules.yaml")) return "node_modules";
  const members = ["packages", "apps"].flatMap((parent) =>
    readdirSync(parent).map((name) => `${parent}/${name}`),
  );
  for (const folder of [".", ...members.filter((member) => existsSync(`${member}/package.json`))]) {
    const { dependencies, devDependencies } = manifest(folder);
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      if (!existsSync(`${folder}/node_modules/${name}/package.json`)) return `${name} (wanted by ${folder})`;
    }
  }
}

function complaint() {
  const absent = missing();
  if (absent !== undefined) return `the install is not whole, ${absent} is missing`;
  if (Number.parseInt(process.versions.node, 10) < required) {
    return `this is Node ${process.versions.node}, the scripts need the Node ${required} that the install brings`;
  }
}

const what = complaint();
if (what !== undefined) {
  console.error(
    `freshtoken: ${what}: run \`npx pnpm@12 install\`, then start scripts with \`npx pnpm@12 <script>\`.`,
  );
  process.exit(1);
}
