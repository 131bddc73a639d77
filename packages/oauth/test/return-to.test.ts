import { expect, test } from "vitest";
import { scripted } from "./support.ts";

test.each([
  ["/", "/"],
  ["/orders?page=2#last", "/orders?page=2#last"],
  ["/a/../b", "/b"],
  ["/search?next=https://evil.test", "/search?next=https://evil.test"],
  ["/größe", "/gr%C3%B6%C3%9Fe"],
  ["/@evil.test", "/@evil.test"],
])("returns to %j as %j", async (returnTo, path) => {
  const { oauth } = scripted();

  const { pending } = await oauth.authorizationUrl({ returnTo });

  expect(pending.returnTo).toBe(path);
});

const elsewhere = [
  "//evil.test",
  "//localhost",
  "///evil.test",
  "/\\evil.test",
  "\\\\evil.test",
  "/\t/evil.test",
  "/\n/evil.test",
  "/.//evil.test",
  "/..//evil.test",
  "/a/..//evil.test",
  "/%2e//evil.test",
  "https://evil.test/",
  "https:evil.test",
  "http://localhost/",
  "javascript:alert(1)",
  " /orders",
  "orders",
  "?page=2",
  "",
];

test.each(elsewhere)("refuses to return to %j", async (returnTo) => {
  const { oauth } = scripted();

  await expect(oauth.authorizationUrl({ returnTo })).rejects.toMatchObject({
    name: "OAuthError",
    code: "ERR_RETURN_TO_REFUSED",
    message: expect.stringContaining('like "/orders"'),
  });
});

test.each([...elsewhere, undefined, 7, ["/"]])(
  "refuses to return to %j when it comes from storage",
  async (returnTo) => {
    const { server, oauth } = scripted();
    const { pending } = await oauth.authorizationUrl();
    const forged = { ...pending, returnTo: returnTo as string };

    const exchanged = oauth.exchange(`/callback?code=c0&state=${pending.state}`, forged);

    await expect(exchanged).rejects.toMatchObject({ code: "ERR_RETURN_TO_REFUSED" });
    expect(server.log.filter(({ at }) => at === "token")).toStrictEqual([]);
  },
);
