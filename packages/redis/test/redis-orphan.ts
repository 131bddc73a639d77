// Starts Redis, and is killed.
import { startRedis } from "./redis-server.ts";

const { port } = await startRedis();
process.send?.(port);
