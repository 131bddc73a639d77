import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { signIn, startAuthorizationServer } from "../src/index.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

function start(...flags: string[]) {
  const child = spawn(process.execPath, [main, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  const printed = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (printed.out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (printed.err += text));
  return { child, printed, ended: once(child, "close") };
}

test.each(["SIGINT", "SIGTERM"] as const)(
  "prints its addresses, nothing else, and ends at %s",
  async (signal) => {
    const { child, printed, ended } = start();
    await expect.poll(() => printed.out, { timeout: 10_000 }).toContain("client");
    const [issuer = "", api = "", redirectUri = ""] = printed.out.match(/http:\S+/g) ?? [];

    await signIn({ issuer, clientId: "freshtoken", redirectUri }, { account: "alice" });
    await fetch(`${api}/me`);
    child.kill(signal);

    expect(await ended).toStrictEqual([0, null]);
    expect(printed).toStrictEqual({
      out: `authorization server  ${issuer}\nresource API          ${api}\nclient                freshtoken, redirected to ${redirectUri}\n`,
      err: "",
    });
  },
);

test("ends with one line where its port is in use", async () => {
  await using server = await startAuthorizationServer();
  const { port } = new URL(server.api);

  const { printed, ended } = start("--port", port);

  expect(await ended).toStrictEqual([1, null]);
  expect(printed).toStrictEqual({
    out: "",
    err: `The port ${port} is in use. Choose another with the option port.\n`,
  });
});
