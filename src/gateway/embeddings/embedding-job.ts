import { codecOf } from '../../protocols/index.ts';
import type { ReplyFacts, Warned } from '../../protocols/codec.ts';
import type { EmbeddingInput, EmbeddingReply, EmbeddingRequest } from '../../protocols/embeddings/embeddings.ts';
import { readGeminiReply, writtenGemini } from '../../protocols/embeddings/gemini.ts';
import { inputTokensOf, readEmbeddingReply, writtenRequest } from '../../protocols/embeddings/openai.ts';
import type { JsonRecord } from '../../protocols/ir.ts';
import { type AnswerReader, usageFor } from '../../protocols/plain-json.ts';
import type { Problem } from '../../protocols/problem.ts';
import { wrong } from '../../protocols/request-bytes.ts';
import { editBody } from '../../providers/body-edits.ts';
import type { Embeddings } from '../../providers/provider.ts';
import { placeUrl } from '../../providers/request.ts';
import { isObject, parseJson } from '../../shared/json-shape.ts';
import { JsonIndex } from '../../shared/json-bytes.ts';
import type { Job } from '../job.ts';
import type { Prepared } from '../lane.ts';
import type { Target } from '../plan.ts';
import type { EmbeddingCall, EmbeddingItem } from './embedding-call.ts';

/** What becomes one upstream call: a call of a client, a part of one, or inputs of several that ask for the same. */
export class EmbeddingJob implements Job {
  readonly isStream = false;
  readonly #call: EmbeddingCall;
  readonly #items: readonly EmbeddingItem[];
  /** Replies are looked at when they come and taken apart when all have come; they are parsed once. */
  readonly #read = new WeakMap<Uint8Array, EmbeddingReply | null>();

  /** `call`: whose words are used; with all of its `items` and no others it goes as it came. */
  constructor(call: EmbeddingCall, items: readonly EmbeddingItem[]) {
    this.#call = call;
    this.#items = items;
  }

  get #isWhole(): boolean {
    return this.#items === this.#call.items;
  }

  estimateTokens(): number {
    let tokens = 0;
    for (const item of this.#items) tokens += item.tokens;
    return tokens;
  }

  prepare(target: Target): Prepared | Problem {
    const { runtime, model } = target;
    const { provider } = runtime;
    const port = provider.embeddings;
    if (!port) return noEmbeddings(target);
    const refused = this.#refusal(target, port);
    if (refused) return refused;
    const written = this.#written(port, provider.callsModel?.(model) ?? model);
    if (!written) return wrong(`${target.name} takes texts alone, each with the same settings`);
    const edited = editBody(written.bytes, target.edits, provider.protocol);
    return {
      url: placeUrl(provider, runtime.baseUrl, written.path, model),
      body: edited.bytes,
      changes: [...written.changes, ...edited.changes],
      codec: this.#reader(port, target),
      dropsUsageFrame: false,
      context: { model, isStream: false, protocol: provider.protocol },
      isSameProtocol: provider.protocol === this.#call.protocol,
      translation: null,
      isRestored: false,
      watch: null,
    };
  }

  /** The reply may go to the client of this one call as it is. */
  passes(target: Target, reply: Uint8Array): boolean {
    const port = target.runtime.provider.embeddings;
    return port !== undefined && this.#isWhole && this.#isSameForm(port) && this.#call.isAsWanted(reply);
  }

  /** Of a reply that the reader has called an answer; a vector for each item. */
  replyOf(target: Target, bytes: Uint8Array): EmbeddingReply {
    const port = target.runtime.provider.embeddings;
    const reply = port ? this.#decode(port, bytes) : null;
    if (!reply) throw new Error('a reply was taken apart that is no answer');
    return reply;
  }

  #isSameForm({ form }: Embeddings): boolean {
    return form === this.#call.protocol;
  }

  #refusal(target: Target, port: Embeddings): Problem | null {
    if (this.#items.length > port.maxInputs) {
      return wrong(`${target.name} takes at most ${port.maxInputs} inputs at once`, 'input');
    }
    if (port.takesTokens || this.#items.every(({ input }) => input === null || typeof input === 'string')) return null;
    return wrong(`${target.name} takes texts and no token arrays: send the text itself`, 'input');
  }

  /** Null: it cannot be put into the vendor's words. */
  #written(port: Embeddings, model: string): Written | null {
    const items = this.#isWhole ? null : this.#items;
    switch (port.form) {
      case 'openai-chat': {
        const asked = this.#neutral();
        const index = this.#isSameForm(port)
          ? JsonIndex.of(this.#call.bodyFor(model, items))
          : asked && writtenRequest(asked.value, model);
        if (!index) return null;
        const edit = port.edit?.(index, model);
        const changes = [...(this.#isSameForm(port) ? [] : (asked?.warnings ?? [])), ...(edit?.changes ?? [])];
        const bytes = edit
          ? index.edit({ ...(edit.set && { set: edit.set }), remove: new Set(edit.remove ?? []) })
          : index.bytes;
        return { path: port.path, bytes, changes };
      }
      case 'gemini': {
        if (this.#isSameForm(port)) {
          const bytes = this.#call.bodyFor(model, items);
          const isBatch = JsonIndex.of(bytes)?.has('requests') === true;
          return { path: `/models/{model}:${isBatch ? 'batchEmbedContents' : 'embedContent'}`, bytes, changes: [] };
        }
        const asked = this.#neutral();
        if (!asked) return null;
        const { method, body } = writtenGemini(asked.value, model);
        return { path: `/models/{model}:${method}`, bytes: bytesOf(body), changes: asked.warnings };
      }
      case 'own': {
        const asked = this.#neutral();
        if (!asked) return null;
        return { path: port.path, bytes: bytesOf(port.encode(asked.value, model)), changes: asked.warnings };
      }
    }
  }

  #neutral(): Warned<EmbeddingRequest> | null {
    const { settings } = this.#call;
    if (!settings) return null;
    const inputs: EmbeddingInput[] = [];
    for (const { input } of this.#items) {
      if (input === null) return null;
      inputs.push(input);
    }
    const { dimensions, inputType, others } = settings;
    return {
      value: { inputs, dimensions, inputType, others },
      warnings: others.map((name) => `${name} removed`),
    };
  }

  #reader(port: Embeddings, target: Target): AnswerReader {
    const codec = codecOf(target.runtime.provider.protocol);
    return {
      id: codec.id,
      isPlain: true,
      readReply: (bytes) => this.#facts(port, target, bytes),
      collect: () => null,
      streamReader: () => codec.streamReader(),
      endFrame: () => '',
    };
  }

  #facts(port: Embeddings, target: Target, bytes: Uint8Array): ReplyFacts {
    // What passes as it is need not be taken apart: its vectors are most of it.
    const passing = port.form === 'openai-chat' && this.passes(target, bytes) ? JsonIndex.of(bytes) : null;
    if (passing) return answered(inputTokensOf(passing.get('usage')));
    const reply = this.#decode(port, bytes);
    if (reply) return answered(reply.inputTokens);
    const json = parseJson(new TextDecoder().decode(bytes));
    if (!isObject(json)) return { state: 'unreadable', reason: 'the reply is no JSON object' };
    if ((json.error ?? null) !== null) return { state: 'error', error: json };
    const wanted = this.#items.length === 1 ? 'one vector' : `${this.#items.length} vectors`;
    return { state: 'unreadable', reason: `the reply does not hold ${wanted}` };
  }

  #decode(port: Embeddings, bytes: Uint8Array): EmbeddingReply | null {
    const known = this.#read.get(bytes);
    if (known !== undefined) return known;
    const reply = decoded(port, bytes, this.#items.length);
    this.#read.set(bytes, reply);
    return reply;
  }
}

type Written = { readonly path: string; readonly bytes: Uint8Array; readonly changes: readonly string[] };

function decoded(port: Embeddings, bytes: Uint8Array, count: number): EmbeddingReply | null {
  if (port.form === 'openai-chat') return readEmbeddingReply(bytes, count);
  const json = parseJson(new TextDecoder().decode(bytes));
  if (!isObject(json)) return null;
  if (port.form === 'gemini') return readGeminiReply(json, count);
  const reply = port.decode(json);
  return reply?.vectors.length === count ? reply : null;
}

const bytesOf = (body: JsonRecord): Uint8Array => new TextEncoder().encode(JSON.stringify(body));

const answered = (inputTokens: number | null): ReplyFacts => ({
  state: 'answer',
  usage: inputTokens === null ? null : usageFor(inputTokens, 0),
});

const noEmbeddings = ({ name, runtime }: Target): Problem => ({
  kind: 'route-not-found',
  status: 404,
  message: `${runtime.id} makes no embeddings, so that ${name} cannot be asked for any`,
  param: 'model',
});
