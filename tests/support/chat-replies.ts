// Reads replies in OpenAI's chat format into what tests ask about. JSON is taken at its word: the assertions check it.

export type ToolCall = { readonly id: string; readonly name: string; readonly arguments: string };

export type Usage = {
  readonly prompt: number;
  readonly completion: number;
  readonly total: number;
  readonly reasoning: number;
};

export type Completion = {
  readonly model: string;
  readonly text: string | null;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: string | null;
  readonly usage: Usage | null;
};

export type StreamedCompletion = Completion & {
  /** Every JSON event, as it came. */
  readonly events: readonly RawEvent[];
  /** The last frame is `[DONE]`. */
  readonly hasEnd: boolean;
  /** The message of an error event, or null. */
  readonly error: string | null;
};

export type ErrorBody = {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly rotator?: {
    readonly request_id: string;
    readonly target: string | null;
    readonly attempts: readonly {
      readonly credential: string;
      readonly status: number | null;
      readonly failure: string;
    }[];
    readonly retry_at: string | null;
  };
};

type RawCall = { index?: number; id?: string; function?: { name?: string; arguments?: string } };
type RawMessage = { role?: string; content?: string | null; reasoning_content?: string; tool_calls?: RawCall[] };
type RawUsage = {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  completion_tokens_details?: { reasoning_tokens?: number };
};
type RawCompletion = {
  model: string;
  choices: { message: RawMessage; finish_reason: string | null }[];
  usage?: RawUsage | null;
};
export type RawEvent = {
  model?: string;
  choices?: { index: number; delta: RawMessage; finish_reason: string | null }[];
  usage?: RawUsage | null;
  error?: { message: string };
};

export async function readCompletion(response: Response): Promise<Completion> {
  const body: RawCompletion = JSON.parse(await response.text());
  const [choice] = body.choices;
  return {
    model: body.model,
    text: choice?.message.content ?? null,
    reasoning: choice?.message.reasoning_content ?? '',
    toolCalls: joinCalls(choice?.message.tool_calls ?? []),
    finishReason: choice?.finish_reason ?? null,
    usage: readUsage(body.usage),
  };
}

export async function readError(response: Response): Promise<ErrorBody> {
  const body: { error: ErrorBody } = JSON.parse(await response.text());
  return body.error;
}

/** Puts the first choice of a stream together again. */
export function readStream(text: string): StreamedCompletion {
  const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: '));
  const events: RawEvent[] = frames
    .filter((frame) => frame !== 'data: [DONE]')
    .map((frame) => JSON.parse(frame.slice(6)));
  const choices = events.flatMap((event) => event.choices ?? []).filter((choice) => choice.index === 0);
  return {
    model: events[0]?.model ?? '',
    text: choices.map((choice) => choice.delta.content ?? '').join(''),
    reasoning: choices.map((choice) => choice.delta.reasoning_content ?? '').join(''),
    toolCalls: joinCalls(choices.flatMap((choice) => choice.delta.tool_calls ?? [])),
    finishReason: choices.findLast((choice) => choice.finish_reason)?.finish_reason ?? null,
    usage: readUsage(events.findLast((event) => event.usage)?.usage),
    events,
    hasEnd: frames.at(-1) === 'data: [DONE]',
    error: events.find((event) => event.error)?.error?.message ?? null,
  };
}

function joinCalls(pieces: readonly RawCall[]): ToolCall[] {
  const calls: ToolCall[] = [];
  for (const [position, piece] of pieces.entries()) {
    const index = piece.index ?? position;
    const before = calls[index];
    calls[index] = {
      id: piece.id ?? before?.id ?? '',
      name: piece.function?.name ?? before?.name ?? '',
      arguments: (before?.arguments ?? '') + (piece.function?.arguments ?? ''),
    };
  }
  return calls;
}

function readUsage(usage: RawUsage | null | undefined): Usage | null {
  return usage
    ? {
        prompt: usage.prompt_tokens,
        completion: usage.completion_tokens,
        total: usage.total_tokens,
        reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
      }
    : null;
}
