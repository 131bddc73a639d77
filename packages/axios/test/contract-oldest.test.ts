import { vi } from "vitest";
import { describeContract } from "./contract-in-node.ts";

// The lower end of the peer range, wherever axios is imported.
vi.mock("axios", () => import("axios-1.7"));

describeContract("1.7.0");
