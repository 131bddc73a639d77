import type { SessionRecord } from "../../src/index.ts";
import type { Context } from "./context.ts";

/** Moments count everything that is noted, from 1: they order what time alone does not. */
export type Moment = number;

/** One call of `refresh`. */
export interface Attempt {
  readonly by: Context;
  readonly presented: string;
  /** The sign-in that its token came from. */
  readonly family: number;
  readonly began: Moment;
  /** The section that it was made in; undefined: in none. */
  readonly section: Section | undefined;
  /** When the store was last looked into for it. */
  readonly looked: Moment;
  /** The server took it, or took it for reuse. */
  acted: boolean;
  /** What the server made of it. */
  outcome: string;
  /** The refresh token that it brought. */
  issued: string | undefined;
  /** The answer was lost on its way, or the session gave it up. */
  lost: Moment | undefined;
  read: Moment | undefined;
  /** It came to an end, one way or another. */
  isOver: boolean;
}

/** One turn of the exclusive section. */
export interface Section {
  readonly by: Context;
  readonly began: Moment;
  /** Its holder left it, or was killed. */
  ended: Moment | undefined;
  /** It was given to another while its holder ran on. */
  lost: Moment | undefined;
}

/** One write to the store. */
export interface Save {
  readonly by: Context;
  readonly record: SessionRecord | null;
  readonly refreshToken: string | undefined;
  readonly began: Moment;
  readonly fault: SaveFault | undefined;
  landed: Moment | undefined;
  /** Its context was told something else, or too late: it does not know whether it landed. */
  isUnsure: boolean;
  /** It came late, or was made again unknowing that it had landed, and undid one which was wished for later. */
  undoes: boolean;
}

/** `…Written`: it is written all the same. */
export type SaveFault =
  | "fails"
  | "failsWritten"
  | "hangs"
  | "hangsWritten"
  | "late"
  | "loses"
  | "losesWritten";

/** A session that stopped to serve a family: signed out, signed in anew, or it heard of either. */
interface Leaving {
  readonly by: Context;
  readonly family: number;
  readonly at: Moment;
}

/** All that the world has noted beside the log of its server. */
export interface Facts {
  readonly attempts: Attempt[];
  readonly saves: Save[];
  readonly leavings: Leaving[];
  /** The access tokens that the store has held. */
  readonly held: Set<string>;
  /** When each context was last shown what the store holds. */
  readonly looked: Map<Context, Moment>;
}
