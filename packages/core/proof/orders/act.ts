import type { Answer } from "./renewal.ts";

/** Whose look into the store: that of a round, by its place, or one of the session's. */
export type Looker = number | "opening" | "hint" | "writer";

/** What is done to a session from outside. Rounds go by their place, requests by their number. */
export type Act =
  | { readonly type: "make"; readonly replayable: boolean }
  | { readonly type: "respond"; readonly request: number; readonly status: number }
  | { readonly type: "abort"; readonly request: number }
  | { readonly type: "enter" | "noSection"; readonly round: number }
  | { readonly type: "answer"; readonly round: number; readonly how: Answer }
  | { readonly type: "lateAnswer"; readonly round: number; readonly attempt: number }
  | { readonly type: "look" | "tell" | "unreadable"; readonly looker: Looker }
  | { readonly type: "save"; readonly how: "reaches" | "fails" | "late" | "loses" | "answers" | "silent" }
  | { readonly type: "ghost"; readonly index: number }
  | { readonly type: "peer"; readonly how: "renews" | "signsIn" | "signsOut" }
  | {
      readonly type:
        | "hint"
        | "again"
        | "backOff"
        | "age"
        | "cool"
        | "window"
        | "signIn"
        | "signOut"
        | "close";
    };
