export type { Binding } from "../binding.ts";
export { browserKey } from "./browser-key.ts";
export { type DPoPOptions, dpop } from "./dpop.ts";
export type { DPoPKey } from "./key.ts";
