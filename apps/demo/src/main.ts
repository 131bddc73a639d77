import { parseArgs, styleText } from "node:util";
import { startAuthorizationServer } from "@freshtoken/authorization-server";
import { bursts, lifetime, size } from "./bursts.ts";
import { compare } from "./comparison.ts";
import { onEnding } from "./ending.ts";
import { table } from "./table.ts";
import { timeline } from "./timeline.ts";
import { ending, isFlawless, verdict } from "./verdict.ts";

try {
  onEnding((exitCode) => process.exit(exitCode));
  const { port, expiries } = options();
  const plan = bursts.slice(0, 1 + expiries);
  await using server = await startAuthorizationServer({ port, accessTokenLifetime: lifetime });

  console.log(styleText("bold", "One refresh, however many requests"));
  console.log(`In each burst axios, ky and fetch take turns through one session of Freshtoken. The same bursts
go through what else is in use: fetch with a shared promise written by hand, axios with the
interceptor that everyone copies, and axios with axios-auth-refresh.\n`);
  console.log(`  authorization server  ${server.issuer}`);
  console.log(`  resource API          ${server.api}`);
  console.log(`  access tokens         live ${lifetime - 1} to ${lifetime} s`);
  console.log(`  bursts                ${plan.length} of ${size} requests each\n`);

  const runs = await compare(server, plan);

  console.log(`\n${timeline(runs)}\n\n${table(runs)}\n`);
  for (const { name, figures } of runs) console.log(`  ${name.padEnd(20)}${verdict(figures, expiries)}`);
  console.log(`\n  ${ending(server.ledger)}`);
  process.exitCode = runs[0] && isFlawless(runs[0].figures, expiries) ? 0 : 1;
} catch (error) {
  console.error(`freshtoken demo: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}

function options(): { port: number; expiries: number } {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== "--"),
    options: {
      port: { type: "string", default: "0" },
      expiries: { type: "string", default: String(bursts.length - 1) },
    },
  });
  return {
    port: whole("port", values.port, 65_535),
    expiries: whole("expiries", values.expiries, bursts.length - 1),
  };
}

function whole(name: string, value: string, max: number): number {
  if (/^\d+$/.test(value) && Number(value) <= max) return Number(value);
  throw new Error(`--${name} is a whole number from 0 to ${max}, not ${value}.`);
}
