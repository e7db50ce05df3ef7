import { type ModelCard, modeOf, tokenPrices } from '../../models/card.ts';
import { catalogueNames } from '../../models/catalogue-names.ts';
import type { SourcedFacts } from '../../models/model-facts.ts';

/** OpenAI's four fields, and with them what is known of the model under the names that clients look for. */
export function modelFields(card: ModelCard, isEnriched: boolean): object {
  const plain = { id: card.id, object: 'model', created: card.created, owned_by: card.ownedBy };
  if (!isEnriched) return plain;
  return { ...plain, ...(card.facts && factFields(card, card.facts)), ...sizeFields(card), ...priceFields(card) };
}

/** Each under all the names that it has in the field. */
function sizeFields({ contextLength, maxOutputTokens }: ModelCard): object {
  return {
    ...(contextLength !== undefined && {
      context_length: contextLength,
      context_window: contextLength,
      max_input_tokens: contextLength,
    }),
    ...(maxOutputTokens !== undefined && {
      max_completion_tokens: maxOutputTokens,
      max_output_tokens: maxOutputTokens,
    }),
  };
}

/** USD per token. Absent: not known. */
function priceFields({ price, priceSource }: ModelCard): object {
  if (!price) return {};
  const pricing = tokenPrices(price);
  const copies = {
    input_cost_per_token: pricing.prompt,
    output_cost_per_token: pricing.completion,
    cache_read_input_token_cost: pricing.cached_input,
    cache_creation_input_token_cost: pricing.cache_write,
  };
  return { pricing, ...defined(copies), _price_source: priceSource };
}

function factFields(card: ModelCard, facts: SourcedFacts): object {
  const more = {
    supported_parameters: facts.parameters,
    family: facts.family,
    description: facts.description,
    knowledge_cutoff: facts.knowledgeCutoff,
    release_date: facts.releaseDate,
    open_weights: facts.hasOpenWeights,
    status: facts.status,
    huggingface_id: facts.huggingFaceId,
  };
  const sources = { _sources: facts.sources, _match_type: matchType(card, facts) };
  // A list that gave nothing but sizes says neither what a model can nor that it cannot.
  if (facts.inputModalities === undefined && facts.takesTools === undefined) return { ...defined(more), ...sources };
  const takes = facts.inputModalities ?? ['text'];
  const gives = facts.outputModalities ?? ['text'];
  // Null: nobody says.
  const tools = facts.takesTools ?? null;
  return {
    architecture: {
      input_modalities: takes,
      output_modalities: gives,
      ...(facts.tokenizer !== undefined && { tokenizer: facts.tokenizer }),
    },
    capabilities: {
      tool_choice: tools,
      function_calling: tools,
      reasoning: facts.reasons ?? null,
      vision: takes.includes('image'),
      system_messages: true,
      prompt_caching: card.price?.cacheRead !== undefined,
      assistant_prefill: false,
      structured_output: facts.hasStructuredOutput ?? null,
      temperature: facts.takesTemperature ?? true,
      attachments: takes.some((kind) => kind !== 'text'),
      interleaved: false,
    },
    mode: modeOf(card.id, facts),
    supported_modalities: takes,
    supported_output_modalities: gives,
    ...defined(more),
    ...sources,
  };
}

/** `fuzzy`: under the name without its date. `alias`: the catalogue calls the provider something else. */
function matchType(card: ModelCard, facts: SourcedFacts): 'exact' | 'alias' | 'fuzzy' {
  if (facts.source === 'packaged-normalised') return 'fuzzy';
  if (facts.source === 'provider') return 'exact';
  return catalogueNames(card.ownedBy).facts === card.ownedBy.replaceAll('_', '-') ? 'exact' : 'alias';
}

const defined = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
