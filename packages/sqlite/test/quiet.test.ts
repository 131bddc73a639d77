import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { newFile } from "./support.ts";

/** Runs a module in a process of its own; resolves with what it printed once it has ended by itself. */
async function run(source: string): Promise<string> {
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  const flags = ["--conditions=@freshtoken/source", "--disable-warning=ExperimentalWarning"];
  const args = [
    ...flags,
    "--input-type=module",
    "--eval",
    `const file = ${JSON.stringify(newFile())};${source}`,
  ];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd, timeout: 15_000 });
  return stdout + stderr;
}

const imports = `
  import { readdirSync, readlinkSync } from "node:fs";
  import { createSession } from "@freshtoken/core";
  import { sqliteStore } from "../src/index.ts";
  const { signal } = new AbortController();
  const a0 = { family: "f", generation: 0, tokens: { accessToken: "a0", refreshToken: "r0" } };
  const passed = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

test("changes nothing by being imported, and loads nothing of SQLite", async () => {
  const printed = await run(`
    const shot = () => JSON.stringify([Reflect.ownKeys(globalThis).map(String), process.moduleLoadList.includes("NativeModule sqlite")]);
    const before = shot();
    await import("../src/index.ts");
    console.log(before === shot());
  `);

  expect(printed).toBe("true\n");
});

test.each<[what: string, source: string]>([
  ["a session is open", `await createSession({ store, refresh: () => {} }).signIn(a0.tokens);`],
  ["a session has loaded, and listens", `await createSession({ store, refresh: () => {} }).loaded;`],
  ["a record was saved", `await store.save(a0);`],
  ["the section was left", `await store.exclusive(async () => {}, { signal });`],
])("lets a process end when %s", async (_, source) => {
  expect(await run(`${imports} const store = sqliteStore({ file }); ${source} console.log("end");`)).toBe(
    "end\n",
  );
});

test("lets a listener throw, and nobody notices", async () => {
  const printed = await run(`${imports}
    sqliteStore({ file }).subscribe(() => {
      console.log("told");
      throw new Error("the listener fails");
    });
    await sqliteStore({ file }).save(a0);
    await passed(10);
    console.log("end");
  `);

  expect(printed).toBe("told\nend\n");
});

/** A session with so much left of its token, and a file of which another connection has the lock. */
const behindLock = (left: number, what: string) => `${imports}
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    const store = sqliteStore({ file });
    await store.save({ ...a0, tokens: { ...a0.tokens, issuedAt: Date.now() - 3_600_000, expiresAt: Date.now() + ${left} } });
    await store.exclusive(async () => {}, { signal });
    const lockFile = file + readdirSync(file.replace(/[^/]+$/, "")).map((name) => /-\\w+\\.lock$/.exec(name)?.[0]).find(Boolean);
    const lock = new DatabaseSync(${what});
    lock.exec("BEGIN IMMEDIATE");
    const session = createSession({ store, refresh: async () => ({ accessToken: "a1" }), refreshTimeout: 60_000 });
`;

const locks: readonly [which: string, what: string][] = [
  ["its turn", "lockFile"],
  ["a data file that another writes", "file"],
];

test.each(locks)("keeps a process alive in which somebody waits for %s", async (_, what) => {
  const printed = await run(`${behindLock(0, what)}
    setTimeout(() => lock.close(), 300).unref();
    const { accessToken } = await session.tokens();
    console.log(accessToken);
  `);

  expect(printed).toBe("a1\n");
});

test("keeps a process alive until a save is done for which nobody waits, and which is locked out", async () => {
  const printed = await run(`${behindLock(0, "file")}
    setTimeout(() => lock.close(), 300).unref();
    store.save(null).then(() => console.log("saved"));
  `);

  expect(printed).toBe("saved\n");
});

test.each(locks)("lets a process end in which a background refresh waits for %s", async (_, what) => {
  const printed = await run(`${behindLock(30_000, what)}
    process.on("exit", () => console.log(session.state.refreshing));
    const { accessToken } = await session.tokens();
    console.log(accessToken);
  `);

  expect(printed).toBe("a0\ntrue\n");
});

test("asks SQLite nothing while a session is idle, however long that is", async () => {
  const printed = await run(`${imports}
    const { StatementSync, DatabaseSync } = process.getBuiltinModule("node:sqlite");
    let asked = 0;
    for (const [prototype, name] of [[StatementSync.prototype, "get"], [DatabaseSync.prototype, "exec"], [DatabaseSync.prototype, "prepare"]]) {
      const before = prototype[name];
      prototype[name] = function (...args) {
        asked += 1;
        return before.apply(this, args);
      };
    }
    const session = createSession({ store: sqliteStore({ file }), refresh: () => {} });
    await session.signIn(a0.tokens);
    await passed(200);
    const before = asked;
    await passed(1_500);
    console.log(before > 0, asked - before);
  `);

  expect(printed).toBe("true 0\n");
});

const descriptors = `
  const held = (suffix = "") => readdirSync("/proc/self/fd").filter((fd) => {
    try {
      const path = readlinkSync("/proc/self/fd/" + fd);
      return path.startsWith(file) && path.endsWith(suffix);
    } catch {
      return false;
    }
  }).length;
`;

// Where there is no /proc the descriptors cannot be told.
test.skipIf(process.platform !== "linux")(
  "shares the connection of 1,000 stores, and closes it when none is used",
  async () => {
    const printed = await run(`${imports} ${descriptors}
    const stores = Array.from({ length: 1_000 }, (_, index) => sqliteStore({ file, name: String(index) }));
    const made = held();
    await Promise.all(stores.map((store) => store.load()));
    await Promise.all(stores.slice(0, 50).map((store) => store.exclusive(async () => {}, { signal })));
    const used = held();
    await passed(1_500);
    console.log(made, used, held());
  `);

    expect(printed).toBe("0 3 0\n");
  },
);

test.skipIf(process.platform !== "linux")(
  "keeps the connection of an open session, and closes it after the session",
  async () => {
    const printed = await run(`${imports} ${descriptors}
    const session = createSession({ store: sqliteStore({ file }), refresh: () => {} });
    await session.signIn(a0.tokens);
    await passed(1_500);
    const used = held();
    await session.close();
    await passed(1_500);
    console.log(used, held());
  `);

    expect(printed).toBe("3 0\n");
  },
);

test.skipIf(process.platform !== "linux")(
  "holds no descriptor of the lock once a task has ended, failed or was given up",
  async () => {
    const printed = await run(`${imports} ${descriptors}
    const store = sqliteStore({ file });
    await store.exclusive(async () => console.log(held(".lock")), { signal });
    await store.exclusive(() => Promise.reject(new Error("no")), { signal }).catch(() => {});
    let leave;
    const inside = store.exclusive(() => new Promise((resolve) => (leave = resolve)), { signal });
    await passed(50);
    const controller = new AbortController();
    setTimeout(() => controller.abort("given up"), 50);
    await store.exclusive(async () => {}, controller).catch(console.log);
    leave();
    await inside;
    console.log(held(".lock"));
  `);

    expect(printed).toBe("1\ngiven up\n0\n");
  },
);
