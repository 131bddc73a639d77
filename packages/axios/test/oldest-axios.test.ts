import axios from "axios";
import { expect, test, vi } from "vitest";
import { describeAxios } from "./every-axios.ts";

// The lower end of the peer range, wherever axios is imported.
vi.mock("axios", () => import("axios-1.7"));

test("is run against axios 1.7.0", () => {
  expect(axios.VERSION).toBe("1.7.0");
});

describeAxios("1.7.0");
