export { type AttachOptions, attachSession } from "./attach-session.ts";
