/** What is special about calls that are made with an account's token instead of a key. */
export type AccountHooks = {
  /** Headers besides the token, which goes where a key would. `body`: what goes upstream, null in a question without one. */
  headers?(headers: Headers, call: AccountCall, body: Uint8Array | null): void;
  /** The body that goes upstream; the very same bytes where there is nothing to do. */
  wrap?(body: Uint8Array, call: AccountCall): Uint8Array;
  /** What was wrapped on its way here: a whole reply, or the data of one frame. The very same bytes where nothing was. */
  unwrap?(bytes: Uint8Array): Uint8Array;
  /** Patterns of the models that an account of this tier has; empty: all. */
  models?(tier: string | null): readonly string[];
};

/** What an account brings along besides its token. Named as in its file. */
export type AccountFacts = {
  readonly project_id?: string;
  readonly account_id?: string;
  readonly device_id?: string;
  readonly tier?: string;
};

export type AccountCall = {
  /** Upstream model id; empty where no model is called. */
  readonly model: string;
  readonly account: AccountFacts;
  /** Names the conversation and tells nothing of it; null: none is known. */
  readonly conversation: string | null;
  /** Of this call alone. */
  readonly requestId: string;
  /** rotator's own. */
  readonly version: string;
};
