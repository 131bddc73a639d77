import { parseArgs } from "node:util";
import { startAuthorizationServer } from "./server.ts";

// The flags are the options of startAuthorizationServer: --port 4000 --apiPort 4001 --accessTokenLifetime 5
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    apiPort: { type: "string", default: "0" },
    accessTokenLifetime: { type: "string", default: "5" },
  },
});

try {
  const server = await startAuthorizationServer({
    port: Number(values.port),
    apiPort: Number(values.apiPort),
    accessTokenLifetime: Number(values.accessTokenLifetime),
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void server.close());
  console.log(`authorization server  ${server.issuer}`);
  console.log(`resource API          ${server.api}`);
  console.log(`client                ${server.clientId}, redirected to ${server.redirectUri}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
