export { type BrowserStoreOptions, browserStore } from "./browser-store.ts";
