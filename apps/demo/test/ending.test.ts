import { startAuthorizationServer } from "@freshtoken/authorization-server";
import { expect, test } from "vitest";
import { demo, portsOf, run } from "./demo-process.ts";

async function expectFree([port = 0, apiPort = 0]: readonly number[]): Promise<void> {
  await using server = await startAuthorizationServer({ port, apiPort });
  expect(portsOf(`${server.issuer} ${server.api}`)).toStrictEqual([port, apiPort]);
}

test("ends with one line where its port is in use", async () => {
  await using server = await startAuthorizationServer();
  const { port } = new URL(server.api);

  const { printed, ended } = run(...demo, "--port", port);

  expect(await ended).toStrictEqual([1, null]);
  expect(printed).toStrictEqual({
    out: "",
    err: `freshtoken demo: The port ${port} is in use. Choose another with the option port.\n`,
  });
});

test.each([
  [["--port", "http"], "--port is a whole number from 0 to 65535, not http."],
  [["--expiries", "5"], "--expiries is a whole number from 0 to 4, not 5."],
  [["--fast"], "Unknown option '--fast'"],
])("ends with one line that says what is wrong with %j", async (flags, line) => {
  const { printed, ended } = run(...demo, ...flags);

  expect(await ended).toStrictEqual([1, null]);
  expect(printed).toStrictEqual({ out: "", err: `freshtoken demo: ${line}\n` });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("ends at %s in mid-run, and frees its ports", async (signal, exitCode) => {
  const { child, printed, ended } = run(...demo);
  await expect.poll(() => printed.out, { timeout: 10_000 }).toContain("burst 1 of 5");

  child.kill(signal);

  expect(await ended).toStrictEqual([exitCode, null]);
  expect(printed.err).toBe("");
  await expectFree(portsOf(printed.out));
});

test("ends when the process that started it is killed", async () => {
  const starts = `
    import { spawn } from "node:child_process";
    spawn(process.execPath, ${JSON.stringify(demo)}, { stdio: "inherit" });`;
  const { child, printed, ended } = run("--input-type=module", "--eval", starts);
  await expect.poll(() => printed.out, { timeout: 10_000 }).toContain("burst 1 of 5");

  child.kill("SIGKILL");

  // The pipes close when the last who holds them, the demo, has ended.
  expect(await ended).toStrictEqual([null, "SIGKILL"]);
  expect(printed.out).not.toContain("burst 5 of 5");
  await expectFree(portsOf(printed.out));
});
