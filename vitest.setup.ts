import { afterEach, beforeEach, expect, vi } from "vitest";

// What prints, fails: the packages promise a quiet console.
const methods = ["debug", "error", "info", "log", "trace", "warn"] as const;

beforeEach(() => {
  for (const method of methods) vi.spyOn(console, method).mockImplementation(() => {});
});

afterEach(() => {
  for (const method of methods) {
    const { calls } = vi.mocked(console[method]).mock;
    vi.mocked(console[method]).mockRestore();
    expect.soft(calls, `console.${method}`).toStrictEqual([]);
  }
});
