import { expect, test, vi } from "vitest";
import { createEar } from "../src/ear.ts";
import { settingsOf } from "../src/options.ts";
import { lacksRedis } from "./redis-server.ts";
import { useRedis } from "./support.ts";

const desk = useRedis();

test.skipIf(lacksRedis)("an ear hears nothing of its own store, whichever of its asks has left", async () => {
  const channel = "ear";
  const settings = settingsOf({ client: await desk.connect(), id: desk.id() });
  const ear = createEar(settings, "me", async () => ({ key: "", channel }));
  const heard: string[] = [];
  ear.onFreed(() => void heard.push("freed"));
  ear.onSaved(() => void heard.push("saved"));
  await vi.waitFor(() => expect(heard).toStrictEqual(["saved", "freed"]));

  for (const message of ["freed me/1", "saved me", "saved another"])
    await desk.redis.command("PUBLISH", channel, message);

  await vi.waitFor(() => expect(heard.length).toBeGreaterThan(2));
  expect(heard).toStrictEqual(["saved", "freed", "saved"]);
});
