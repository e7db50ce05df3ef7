import { isObject } from '../shared/json-shape.ts';
import { compatible } from './compatible.ts';
import { countOf } from './count-of.ts';
import { openAiEmbeddings } from './embeddings.ts';
import { endpointsAt } from './endpoints.ts';
import { readError } from './error-body.ts';
import { billing, forbidden, badRequest, modelMissing, overloaded, rateLimited, unclassified } from './failure-from.ts';
import { modelRows, readRows } from './model-list.ts';
import { readSingleLimit } from './rate-headers.ts';
import type { JsonObject, ListedFacts } from './provider.ts';
import { readWaitHint } from './wait-hint.ts';

/** The limit's own name goes before the advice that follows it, which speaks of others. */
function freeWindow(text: string): 'minute' | 'day' | undefined {
  const name = /\bfree-models-per-(day|min)/.exec(text)?.[1];
  return name === 'min' ? 'minute' : name === 'day' ? 'day' : undefined;
}

export const openrouter = compatible({
  id: 'openrouter',
  title: 'OpenRouter',
  baseUrl: 'https://openrouter.ai/api/v1',
  keyEnv: ['OPENROUTER_API_KEY'],
  key: 'required',
  wantsReasoningBack: true,
  tier: 2,
  isListPublic: true,
  rateHeaders: readSingleLimit,
  // 20 requests a minute, and 50 or 1,000 a day, for all of these together.
  quotaGroups: { free: ['*:free'] },
  keyUrl: 'https://openrouter.ai/settings/keys',
  // Attribution of the client's own application; nothing is sent when the client sends nothing.
  headersAcross: { up: ['http-referer', 'x-title'] },
  embeddings: openAiEmbeddings,
  endpoints: endpointsAt('completions'),
  editFields: (index) => {
    if (!index.has('reasoning_effort')) return undefined;
    const reasoning = index.get('reasoning');
    const effort = index.get('reasoning_effort');
    return typeof effort === 'string'
      ? {
          set: { reasoning: { effort, ...(isObject(reasoning) && reasoning) } },
          remove: ['reasoning_effort'],
          changes: ['reasoning_effort → reasoning.effort'],
        }
      : undefined;
  },
  classify: (reply) => {
    const error = readError(reply);
    const wait = () => readWaitHint(reply, error);
    switch (error.status) {
      case 402: {
        // Credit is there, but not for as many tokens as were asked for: the key rests a little and richer ones are tried.
        const affordable = /can only afford (\d+)/.exec(error.text)?.[1];
        return affordable !== undefined && Number(affordable) > 0 ? unclassified(error) : billing(error);
      }
      case 403:
        // Moderation speaks about the prompt, and says the same to every key.
        return Array.isArray(error.metadata?.reasons) ? badRequest({ ...error, status: 400 }) : undefined;
      case 404:
        if (/data policy|privacy/i.test(error.text)) return forbidden(error, 'model');
        // "No endpoints found that support tool use": the model is there, for other requests.
        if (/^No endpoints found that/i.test(error.text)) return badRequest({ ...error, status: 400 });
        return /^No endpoints found|no allowed providers/i.test(error.text) ? modelMissing(error) : undefined;
      case 429:
        if (/^Provider returned error|rate-limited upstream/i.test(error.text)) return overloaded(error, wait());
        return rateLimited(error, wait(), { window: freeWindow(error.text) });
      default:
        return undefined;
    }
  },
  readModels: (page) => ({
    models: readRows(modelRows(page), (row) => {
      const top = isObject(row.top_provider) ? countOf(row.top_provider.max_completion_tokens) : undefined;
      const facts = factsOf(row);
      return {
        ...(Object.keys(facts).length > 0 && { facts }),
        ...(top !== undefined && { maxOutputTokens: top }),
      };
    }),
  }),
});

function factsOf(row: JsonObject): ListedFacts {
  const architecture = isObject(row.architecture) ? row.architecture : {};
  const [input, output] = [textsOf(architecture.input_modalities), textsOf(architecture.output_modalities)];
  const parameters = textsOf(row.supported_parameters);
  const price = priceOf(isObject(row.pricing) ? row.pricing : {});
  return {
    ...(input && { inputModalities: input }),
    ...(output && { outputModalities: output }),
    ...(typeof architecture.tokenizer === 'string' && { tokenizer: architecture.tokenizer }),
    ...(parameters && {
      parameters,
      takesTools: parameters.includes('tools'),
      reasons: parameters.includes('reasoning'),
      hasStructuredOutput: parameters.includes('structured_outputs'),
    }),
    ...(typeof row.hugging_face_id === 'string' &&
      row.hugging_face_id !== '' && { huggingFaceId: row.hugging_face_id }),
    ...(price && { price }),
  };
}

/** Written as text, in USD per token. A router that picks the model itself writes -1: it has no price. */
function priceOf(pricing: JsonObject): ListedFacts['price'] {
  const usd = (name: string) => {
    const written = pricing[name];
    const value = typeof written === 'string' && written.trim() !== '' ? Number(written) : written;
    return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
  };
  const [input, output, request] = [usd('prompt'), usd('completion'), usd('request')];
  if (input === undefined || output === undefined) return undefined;
  const [cacheRead, cacheWrite] = [usd('input_cache_read'), usd('input_cache_write')];
  return {
    input: perMillion(input),
    output: perMillion(output),
    ...(cacheRead && { cacheRead: perMillion(cacheRead) }),
    ...(cacheWrite && { cacheWrite: perMillion(cacheWrite) }),
    ...(request && { perRequest: request }),
  };
}

/** 0.0000025 × 1,000,000 is not 2.5 in binary. */
const perMillion = (usd: number) => Number((usd * 1_000_000).toPrecision(12));

const textsOf = (value: unknown) =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : undefined;
