import { layer as commands } from "./commands/index.ts";
import { fuzz } from "./fuzz/index.ts";
import type { Layer } from "./layer.ts";
import { leaks } from "./leaks/index.ts";
import { layer as microtasks } from "./microtasks/index.ts";
import { four, layer as orders } from "./orders/index.ts";
import { world } from "./world/index.ts";

/** All layers, by the names that the command line has for them. */
export const layers: Readonly<Record<string, Layer>> = {
  orders,
  four,
  world,
  commands,
  fuzz,
  leaks,
  microtasks,
};
