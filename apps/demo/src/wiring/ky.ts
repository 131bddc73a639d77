import type { Session } from "@freshtoken/core";
import { sessionHooks } from "@freshtoken/ky";
import ky, { type KyInstance, type Options } from "ky";

/** A ky instance whose requests to `api` carry the session's token: copy from here. */
export function connectKy(session: Session, api: string, options?: Options): KyInstance {
  return ky.create({ prefix: api, hooks: sessionHooks(session), ...options });
}
