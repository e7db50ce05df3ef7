import type { Clock } from '../shared/clock.ts';
import type { CountJob, CountReply, EncodingName } from './token-encodings.ts';

/**
 * How many tokens a request has, as near as one gets without asking its vendor: a real tokenizer, in a worker that
 * starts with the first question and ends when nobody has asked for a while; an estimate where that is too much.
 */
export interface TokenCounter {
  /** `model`: the upstream's name. Never rejects. */
  count(model: string, input: CountedInput): Promise<TokenCount>;
  close(): void;
}

/** A request in no protocol. What is sent as base64 stands in no text. */
export type CountedInput = {
  /** Everything that is read as text: system prompt, messages, calls and results of tools. */
  readonly texts: readonly string[];
  /** Each tool's definition as JSON. */
  readonly tools: readonly string[];
  readonly messages: number;
  readonly images: number;
  readonly files: number;
  /** Pieces of sound. */
  readonly sounds?: number;
};

/** `tokenizer`: the text was counted. `estimate`: it was measured. */
export type TokenCount = { readonly tokens: number; readonly source: 'tokenizer' | 'estimate' };

export type TokenCounterDeps = {
  readonly clock: Clock;
  /** Default: the worker that comes with the program. */
  readonly startWorker?: () => CountWorker;
};

/** What is needed of a `Worker`. */
export type CountWorker = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror'>;

/** Characters; more is measured. A context of a million tokens is about as long. */
const MAX_CHARACTERS = 4_000_000;
/** Waiting jobs hold their texts. */
const MAX_WAITING = 64;
const TIMEOUT_MS = 5_000;
/** The tables take 100 MB while the worker lives. */
const IDLE_MS = 60_000;

export function createTokenCounter(deps: TokenCounterDeps): TokenCounter {
  const { clock } = deps;
  const waiting = new Map<number, (tokens: number | null) => void>();
  let worker: CountWorker | null = null;
  let lastId = 0;
  let cancelIdle = () => {};

  function stop(): void {
    cancelIdle();
    worker?.terminate();
    worker = null;
    for (const done of [...waiting.values()]) done(null);
    waiting.clear();
  }

  function start(): CountWorker {
    const started = (deps.startWorker ?? startTokenWorker)();
    started.onmessage = ({ data }: MessageEvent<CountReply>) => waiting.get(data.id)?.(data.tokens);
    // Whatever it was, another may start with the next question.
    started.onerror = stop;
    return started;
  }

  function inWorker(encoding: EncodingName, texts: readonly string[]): Promise<number | null> {
    return new Promise((resolve) => {
      const id = ++lastId;
      cancelIdle();
      try {
        worker ??= start();
        worker.postMessage({ id, encoding, texts } satisfies CountJob);
      } catch {
        return resolve(null);
      }
      // One that takes so long would hold up all that come after it.
      const cancelTimeout = clock.schedule(TIMEOUT_MS, stop);
      waiting.set(id, (tokens) => {
        waiting.delete(id);
        cancelTimeout();
        if (waiting.size === 0 && worker) cancelIdle = clock.schedule(IDLE_MS, stop);
        resolve(tokens);
      });
    });
  }

  return {
    async count(model, input) {
      const family = familyOf(model);
      const texts = [...input.texts, ...input.tools];
      const length = texts.reduce((sum, text) => sum + text.length, 0);
      const isCountable = length <= MAX_CHARACTERS && waiting.size < MAX_WAITING;
      const counted = length === 0 ? 0 : isCountable ? await inWorker(family.encoding, texts) : null;
      const text = counted === null ? measured(texts) : counted * family.factor;
      const tokens = Math.ceil(text) + frame(family, input);
      return { tokens, source: counted === null ? 'estimate' : 'tokenizer' };
    },
    close: stop,
  };
}

/** Built beside the program's own entry; the bundler finds it by this very form. */
const startTokenWorker = (): CountWorker => new Worker(new URL('./token-worker.ts', import.meta.url).href);

type Family = {
  readonly encoding: EncodingName;
  /** This family's tokens for one of the encoding's. */
  readonly factor: number;
  readonly perMessage: number;
  /** Once, for what begins the answer. */
  readonly once: number;
  /** Once, when there are tools: what the vendor itself says of them to the model. */
  readonly withTools: number;
  readonly perTool: number;
  /** Vendors count these by size; here each has the size that is common. */
  readonly perImage: number;
  readonly perFile: number;
  readonly perSound: number;
};

const OPENAI: Family = {
  encoding: 'o200k_base',
  factor: 1,
  perMessage: 3,
  once: 3,
  withTools: 9,
  perTool: 7,
  // High detail, 1024 × 1024: 85 and 170 for each of four tiles.
  perImage: 765,
  perFile: 1500,
  perSound: 600,
};

const FAMILIES: readonly (readonly [name: RegExp, family: Family])[] = [
  [/(?:^|[./-])gpt-(?:3\.5|4(?!o|\.\d))|^text-embedding|^babbage|^davinci/, { ...OPENAI, encoding: 'cl100k_base' }],
  // No tokenizer of Claude's is public. Of English and code its own makes about a fifth more; tools come with a prompt
  // of 346 tokens, and an image of the size that is not scaled down, 1.15 megapixels, is 1,600.
  [/claude/, { ...OPENAI, factor: 1.2, perMessage: 4, withTools: 346, perTool: 0, perImage: 1600, perFile: 3000 }],
  // An image up to 384 pixels, or a tile of a larger one, and a page, are 258; a second of sound is 32.
  [/gemini|gemma/, { ...OPENAI, perMessage: 2, withTools: 0, perImage: 258, perFile: 1290, perSound: 960 }],
  // Their tables began as OpenAI's older one.
  [/qwen|qwq|llama-?[34]|glm/, { ...OPENAI, encoding: 'cl100k_base' }],
];

function familyOf(model: string): Family {
  const name = model.toLowerCase();
  return FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? OPENAI;
}

/** What is not text, and what stands between the texts. */
function frame(family: Family, input: CountedInput): number {
  const tools = input.tools.length;
  return (
    input.messages * family.perMessage +
    (input.messages > 0 ? family.once : 0) +
    (tools > 0 ? family.withTools + tools * family.perTool : 0) +
    input.images * family.perImage +
    input.files * family.perFile +
    (input.sounds ?? 0) * family.perSound
  );
}

const BYTES_PER_TOKEN = 4;

/** English and code have about four bytes for a token; other scripts as many, in more bytes for each letter. */
const measured = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / BYTES_PER_TOKEN;
