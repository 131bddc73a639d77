import { expect, test } from "vitest";
import {
  errorFor,
  FreshtokenError,
  NotReplayableError,
  QueueFullError,
  RefreshFailedError,
  RefreshRejectedError,
  refreshFailedError,
  SignedOutError,
} from "../src/errors.ts";

const cause = new Error("evidence");
const request = { method: "GET", url: "https://api.test/me" };
const retryAt = 1_700_000_000_000;

const kinds = [
  [new RefreshRejectedError("ended", { cause }), "RefreshRejectedError", "ERR_REFRESH_REJECTED"],
  [new RefreshFailedError("failed", { cause, retryAt }), "RefreshFailedError", "ERR_REFRESH_FAILED"],
  [new SignedOutError("gone", { cause }), "SignedOutError", "ERR_SIGNED_OUT"],
  [new NotReplayableError("a stream", { cause }), "NotReplayableError", "ERR_NOT_REPLAYABLE"],
  [new QueueFullError("full", { cause }), "QueueFullError", "ERR_QUEUE_FULL"],
] as const;

test.each(kinds)("has a name, a code and its evidence: %s", (error, name, code) => {
  expect(error).toBeInstanceOf(FreshtokenError);
  expect(error).toBeInstanceOf(Error);
  expect([error.name, error.code, error.cause]).toStrictEqual([name, code, cause]);
  expect(error.stack).toContain(error.message);
});

test.each(kinds)("is the same for one request, which it names: %s", (error, name, code) => {
  const own = errorFor(error, request) as typeof error;

  expect(own).not.toBe(error);
  expect(own.constructor).toBe(error.constructor);
  expect([own.name, own.code, own.cause, own.request]).toStrictEqual([name, code, cause, request]);
  expect(own.message).toBe(`GET https://api.test/me: ${error.message}`);
});

test("keeps when it is tried again", () => {
  const error = new RefreshFailedError("failed", { retryAt });

  expect([error.retryAt, (errorFor(error, request) as RefreshFailedError).retryAt]).toStrictEqual([
    retryAt,
    retryAt,
  ]);
});

test("names one request, and the first one", () => {
  const own = errorFor(new SignedOutError("gone"), request);

  expect(errorFor(own, { method: "PUT", url: "https://api.test/other" })).toBe(own);
});

test.each([new TypeError("fetch failed"), "aborted", undefined, { code: "ERR_SIGNED_OUT" }])(
  "leaves alone what is not of a session: %o",
  (error) => {
    expect(errorFor(error, request)).toBe(error);
  },
);

test("has neither a cause nor a request where there is none", () => {
  const error = new SignedOutError("gone");

  expect([Object.hasOwn(error, "cause"), Object.hasOwn(error, "request")]).toStrictEqual([false, false]);
});

test.each([Number.POSITIVE_INFINITY, Number.NaN, 9e15])("names no time that no date can show: %s", (at) => {
  expect(refreshFailedError("it is down", at, undefined).message).toBe(
    "The access token could not be refreshed: it is down. The session is kept; try again after a while",
  );
});
