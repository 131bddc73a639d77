import { beforeEach } from "vitest";

// What runs in a process of its own sees no mutant; what measures sees no more of one than its shorter fellows.
const elsewhere =
  /^(?:changes nothing by being imported|(?:does not keep|keeps) a process alive|leaves no rejection)/;
const measuring = /\b100?,000\b/;

beforeEach(({ task, skip }) => skip(elsewhere.test(task.name) || measuring.test(task.name)));
