export { type Host, host } from "./host.ts";
export { type Handler, type Listener, type ListenOptions, listen } from "./listener.ts";
