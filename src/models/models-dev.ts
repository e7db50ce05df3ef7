import { isObject } from '../shared/json-shape.ts';
import { catalogueNames } from './catalogue-names.ts';
import type { ModelFacts } from './model-facts.ts';
import type { ModelPrice, Rate, RateName } from './model-price.ts';

/** Reading of the public catalogue. What it sends is loose JSON: what is not understood is passed over. */

/** Provider as its id is here → model → facts. */
export type PublicFacts = Readonly<Record<string, Readonly<Record<string, ModelFacts>>>>;

/** `https://models.dev/api.json`, of these providers. Prices are in USD per million tokens. */
export function readModelsDev(json: unknown, providers: Iterable<string>): PublicFacts {
  const all = fields(json);
  return Object.fromEntries(
    [...providers].flatMap((provider) => {
      const models = fields(fields(all[catalogueNames(provider).modelsDev]).models);
      const facts = Object.entries(models).map(([id, model]) => [id, modelsDevFacts(id, fields(model))] as const);
      return facts.length === 0 ? [] : [[provider, Object.fromEntries(facts)]];
    }),
  );
}

function modelsDevFacts(id: string, model: Fields): ModelFacts {
  const limit = fields(model.limit);
  const modalities = fields(model.modalities);
  const price = modelsDevPrice(id, fields(model.cost));
  return defined({
    contextLength: count(limit.context),
    maxOutputTokens: count(limit.output),
    inputModalities: texts(modalities.input),
    outputModalities: texts(modalities.output),
    takesTools: flag(model.tool_call),
    reasons: flag(model.reasoning),
    hasStructuredOutput: flag(model.structured_output),
    takesTemperature: flag(model.temperature),
    family: text(model.family),
    knowledgeCutoff: text(model.knowledge),
    releaseDate: text(model.release_date),
    hasOpenWeights: flag(model.open_weights),
    status: text(model.status),
    price,
  });
}

const MODELS_DEV_RATES: Readonly<Partial<Record<RateName, string>>> = {
  input: 'input',
  output: 'output',
  cacheRead: 'cache_read',
  cacheWrite: 'cache_write',
  reasoning: 'reasoning',
  audioInput: 'input_audio',
  audioOutput: 'output_audio',
};

function modelsDevPrice(id: string, cost: Fields): ModelPrice | undefined {
  const [input, output] = [amount(cost.input), amount(cost.output)];
  if (input === undefined || output === undefined) return undefined;
  // A trial, a subscription and a price that nobody has entered are all written as 0.
  if (input === 0 && output === 0 && !id.endsWith(':free')) return undefined;
  const long = fields(cost.context_over_200k);
  const rates = Object.entries(MODELS_DEV_RATES).flatMap(([name, key]): [string, Rate][] => {
    const base = amount(cost[key]);
    const above = amount(long[key]);
    if (base === undefined) return [];
    return [[name, above === undefined ? base : { base, steps: [{ above: 200_000, usd: above }] }]];
  });
  return Object.fromEntries(rates);
}

type Fields = { readonly [name: string]: unknown };

function fields(value: unknown): Fields {
  return isObject(value) ? value : {};
}

const count = (value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 1 ? Math.floor(value) : undefined;
const amount = (value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const flag = (value: unknown) => (typeof value === 'boolean' ? value : undefined);
const texts = (value: unknown) =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : undefined;

/** Without the fields that are not known. */
function defined(facts: { readonly [name in keyof ModelFacts]: ModelFacts[name] | undefined }): ModelFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
