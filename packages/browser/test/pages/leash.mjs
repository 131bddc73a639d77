#!/usr/bin/env node
// Runs the program that LEASHED names, with what it is given, and ends it when whoever started this is gone.
import { spawn } from "node:child_process";

const parent = process.ppid;
const child = spawn(process.env.LEASHED ?? "", process.argv.slice(2), { stdio: "inherit" });
const end = () => child.kill("SIGKILL");

setInterval(() => process.ppid !== parent && end(), 300).unref();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
child.on("exit", (code) => process.exit(code ?? 1));
