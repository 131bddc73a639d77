import type { Session } from "@freshtoken/core";

/** A client and its adapter, as the contract meets them. */
export interface AdapterSubject {
  /** Where `host()` of `@freshtoken/testing/node` listens. */
  readonly host: string;
  /** What the client cannot do, each with the reason. The cases that need it say so in `lacks`. */
  readonly cannot?: Readonly<Partial<Record<Ability, string>>>;
  /**
   * Makes a new client whose requests go through the session. Where the client can be told, it is to make six connections
   * at most, as browsers do: with any number at hand, nobody misses those that an adapter keeps.
   */
  attach(session: Session, setting: Setting): Client;
  /** The session's error in what a request rejected with. @default the error itself */
  errorIn?(error: unknown): unknown;
  /** Whether a request rejected because it was aborted. @default whether the error is the signal's reason */
  isAbort?(error: unknown, reason: unknown): boolean;
  /** The answer in what a `strict` request rejected with. */
  answerIn?(error: unknown): ContractAnswer | Promise<ContractAnswer>;
}

/** What some clients can do, and others cannot. */
export type Ability =
  /** Runs functions of its user's before a request and after its answer. */
  | "hooks"
  /** Serializes what is posted by a function of its user's. */
  | "serializer"
  /** Takes a status for an error. */
  | "strict"
  /** Lets one request do without the session. */
  | "optOut"
  /** Sends a stream as it comes, and keeps nothing of it. */
  | "streams"
  /** Sends a part of a buffer without the rest. */
  | "views"
  /** Says what kind of form it sends. */
  | "forms"
  /** Tells which URL answered after redirects. */
  | "finalUrl"
  /** Shows the very signal that a request was made with. */
  | "ownSignal"
  /** Sends once, also where the connection breaks before an answer. */
  | "sendsOnce";

/** What a client is made with. */
export interface Setting {
  /** The API's origin: what the client's base URL is, where it has one, and who may see the token. */
  readonly origin: string;
  /** Told of each URL that is handed to the transport. */
  sent(url: string): void;
  /** Hooks to install before those of the session. */
  readonly before: UserHooks;
  /** Hooks to install after those of the session. */
  readonly after: UserHooks;
  /** Serializes `json`. Absent: as the client does by itself. */
  readonly serialize?: ((value: unknown) => string) | undefined;
}

/** What a client's user has it run around each request. */
export interface UserHooks {
  request(): void;
  /** Where it throws, the request rejects with what it threw. */
  answer(status: number): void;
}

/** A client in the terms of the contract. */
export interface Client {
  send(request: ContractRequest): Promise<ContractAnswer>;
}

/** What a case asks of a client. */
export interface ContractRequest {
  /** Absolute. */
  readonly url: string;
  /** @default "GET" */
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: ContractBody | undefined;
  /** Serialized by the client, in the place of `body`. */
  readonly json?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Whether a status of 400 and more rejects, as the client's own error, where the client has the ability. @default false: any status is an answer */
  readonly strict?: boolean | undefined;
  /** Leaves the answer unread, where the client would read it by itself, until its body is asked for. @default false */
  readonly streamed?: boolean | undefined;
  /** Does without the session. */
  readonly optOut?: boolean | undefined;
}

/** What a case sends. A stream comes only where the client has the ability. */
export type ContractBody =
  | string
  | URLSearchParams
  | Blob
  | ArrayBuffer
  | Uint8Array<ArrayBuffer>
  | FormData
  | ReadableStream<Uint8Array>;

/** What the caller got, whole. */
export interface ContractAnswer {
  readonly status: number;
  /** As it came, not parsed. */
  readonly body: string;
}
