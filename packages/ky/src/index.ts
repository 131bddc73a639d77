export { type SessionHooksOptions, sessionHooks } from "./session-hooks.ts";
