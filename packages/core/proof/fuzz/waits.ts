import fc from "fast-check";
import { retryAfter } from "../../src/verdict.ts";
import { demand } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";

const NOW = 1_700_000_000_000;
const now = () => NOW;
const DAY = 86_400_000;

const dates = fc.date({
  min: new Date(NOW - 10_000 * DAY),
  max: new Date(NOW + 10_000 * DAY),
  noInvalidDate: true,
});
const near = fc.oneof(
  fc.constantFrom<unknown>(
    "",
    " ",
    "-1",
    "+5",
    "1.5",
    "1e3",
    "0x10",
    "١٢",
    "NaN",
    "Infinity",
    "1, 2",
    "\u00a05",
  ),
  fc.constantFrom<unknown>(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    1.5,
    1e21,
    null,
    undefined,
    {},
    [],
    [5],
    true,
    5n,
    Symbol("5"),
  ),
  fc.string(),
  fc.double(),
  dates.map((date) => date.toUTCString().slice(0, -7)),
  dates.map((date) => date.toISOString()),
);

/** What a server says of when to come again. */
export const waits: readonly Property[] = [
  propertyOf("a Retry-After of seconds: as many", fc.bigInt({ min: 0n, max: 10n ** 20n }), (seconds) => {
    for (const text of [`${seconds}`, ` ${seconds}\t`, `000${seconds}`])
      demand(retryAfter(text, now) === Number(seconds) * 1000, String(retryAfter(text, now)), text);
  }),
  // @see https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
  propertyOf("a Retry-After of a date: until then, and 0 when it has passed", dates, (date) => {
    const wait = Math.max(0, Math.floor(date.getTime() / 1000) * 1000 - NOW);
    demand(retryAfter(date.toUTCString(), now) === wait, String(retryAfter(date.toUTCString(), now)));
  }),
  propertyOf("any other Retry-After: nothing, or a time that can be waited", near, (value) => {
    const wait = retryAfter(value, now);
    demand(wait === undefined || wait >= 0, String(wait));
  }),
];
