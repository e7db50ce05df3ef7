import type { ProtocolId } from '../../src/protocols/codec.ts';
import type { ChatRequest } from '../../src/protocols/ir.ts';
import { budgetOfLevel, levelOfBudget } from '../../src/protocols/reasoning.ts';

/**
 * What a protocol cannot carry as it was said, and why. `lost`: it is not there afterwards, and a warning like this one
 * told so. `becomes`: it is said in other words, and this is what is heard of it (the aspect's view).
 */
export type Skip = { readonly reason: string } & (
  | { readonly lost: RegExp }
  | { readonly becomes: (request: ChatRequest) => unknown }
);

const elsewhere: Readonly<Record<string, Skip>> = {
  'a file uploaded to another vendor': { reason: 'the id means nothing to this one', lost: /^file .*removed$/ },
  'another’s content without a neutral form': { reason: 'nobody here can read it', lost: /^odd removed$/ },
  'a tool that another vendor runs': { reason: 'nobody here runs it', lost: /^tool search removed$/ },
  'another’s fields without a neutral form': { reason: 'nobody here knows them', lost: /^x_new_field removed$/ },
  'thoughts of another vendor': {
    reason: 'a signature is checked by its issuer alone',
    lost: /(reasoning|thinking) .*removed$/,
  },
};

const customAsFunction: Readonly<Record<string, Skip>> = {
  'a custom tool': {
    reason: 'it is a function with one text',
    becomes: ({ tools }) => tools.map(({ name }) => ['function', name]),
  },
  'custom calls': {
    reason: 'the free text is the one argument of a function',
    becomes: ({ turns }) =>
      turns.flatMap(({ parts }) =>
        parts.flatMap((part) =>
          part.type === 'tool-call' ? [['function', JSON.stringify({ input: part.arguments })]] : [],
        ),
      ),
  },
  'a custom tool’s grammar': {
    reason: 'functions have schemas and no grammars',
    lost: /^(grammar|format) of .* removed$/,
  },
};

const unsignedCall: Skip = {
  reason: 'only Gemini signs calls; the signature waits in the memory',
  becomes: () => [null],
};
const refusalAsText: Skip = { reason: 'an answer that refuses is text to those who read it', becomes: () => [] };
const levelAsBudget: Skip = {
  reason: 'this model takes budgets',
  becomes: ({ reasoning }) =>
    reasoning?.amount?.kind === 'level' ? { kind: 'budget', tokens: budgetOfLevel(reasoning.amount.level) } : null,
};
const budgetAsLevel: Skip = {
  reason: 'there are names for how much, and no numbers',
  becomes: ({ reasoning }) =>
    reasoning?.amount?.kind === 'budget' ? { kind: 'level', level: levelOfBudget(reasoning.amount.tokens) } : null,
};
const nothingSaid: Skip = { reason: 'a model that is told nothing thinks as it likes', becomes: () => null };

const failureAsText: Skip = {
  reason: 'there is no field for it: the text begins with “Error:”',
  becomes: () => [false],
};

export const requestSkips: Readonly<Record<ProtocolId, Readonly<Record<string, Skip>>>> = {
  'openai-chat': {
    ...elsewhere,
    ...customAsFunction,
    'an error as result': failureAsText,
    'thoughts without a signature': { reason: 'OpenAI’s models take no thoughts back', lost: /^reasoning .*removed$/ },
    'a signed call': unsignedCall,
    'a refusal in the history': refusalAsText,
    'cache marks': { reason: 'OpenAI’s models cache unasked, and refuse the field', lost: /^cache_control removed$/ },
    'a reasoning budget': budgetAsLevel,
    'reasoning as it likes': nothingSaid,
    'thoughts to be shown': { reason: 'whoever shows thoughts shows them unasked', becomes: () => null },
    topK: { reason: 'chat servers refuse it', lost: /^top_k removed$/ },
  },
  'openai-responses': {
    ...elsewhere,
    'an error as result': failureAsText,
    'thoughts without a signature': {
      reason: 'thoughts are taken back encrypted',
      lost: /^unsigned reasoning removed$/,
    },
    'a signed call': unsignedCall,
    'cache marks': {
      reason: 'OpenAI caches unasked, and marks of others have other terms',
      becomes: () => [undefined, undefined],
    },
    'a reasoning budget': budgetAsLevel,
    'reasoning as it likes': nothingSaid,
    stop: { reason: 'there is no field for it', lost: /^stop removed$/ },
    topK: { reason: 'there is no field for it', lost: /^top_k removed$/ },
    seed: { reason: 'there is no field for it', lost: /^seed removed$/ },
    presencePenalty: { reason: 'there is no field for it', lost: /^presence_penalty removed$/ },
    frequencyPenalty: { reason: 'there is no field for it', lost: /^frequency_penalty removed$/ },
    'several answers': { reason: 'there is one answer', lost: /^n removed$/ },
    modalities: { reason: 'answers are text', lost: /^modalities removed$/ },
  },
  'anthropic-messages': {
    ...elsewhere,
    ...customAsFunction,
    'an instruction midway': {
      reason: 'older models refuse the role inside the conversation',
      lost: /^instructions given midway moved to the front$/,
    },
    'an image’s detail': { reason: 'there is no field for it', lost: /^image detail removed$/ },
    sound: { reason: 'Claude does not hear', lost: /^audio removed$/ },
    'thoughts without a signature': {
      reason: 'unsigned thoughts are refused',
      lost: /^thinking without a signature removed$/,
    },
    'a signed call': unsignedCall,
    'a refusal in the history': refusalAsText,
    'JSON as answer': { reason: 'a tool stands for it, and its input is the answer', becomes: () => null },
    'an answer in a schema': {
      reason: 'objects must be closed there',
      becomes: ({ output }) => output?.type === 'json-schema' && { ...output.schema, additionalProperties: false },
    },
    seed: { reason: 'there is no field for it', lost: /^seed removed$/ },
    presencePenalty: { reason: 'there is no field for it', lost: /^presence_penalty removed$/ },
    frequencyPenalty: { reason: 'there is no field for it', lost: /^frequency_penalty removed$/ },
    'several answers': { reason: 'there is one answer', lost: /^n removed$/ },
    logprobs: { reason: 'they are not told', lost: /^logprobs removed$/ },
    modalities: { reason: 'answers are text', lost: /^modalities removed$/ },
    verbosity: { reason: 'there is no field for it', lost: /^verbosity removed$/ },
    cacheKey: { reason: 'what is cached is marked', lost: /^prompt_cache_key removed$/ },
    serviceTier: { reason: 'its tiers are auto and standard_only', lost: /^service tier priority removed$/ },
    metadata: { reason: 'only the user’s id is known there', lost: /^metadata removed$/ },
  },
  gemini: {
    ...elsewhere,
    ...customAsFunction,
    'an instruction midway': {
      reason: 'contents are of the user or the model; it stands there, marked as what it is',
      lost: /^system message inside the conversation sent as text of the user$/,
    },
    'an image’s detail': { reason: 'there is no field for one image', lost: /^image detail removed$/ },
    'a file’s name': { reason: 'there is no field for it', lost: /^file name removed$/ },
    'a strict function': { reason: 'there is no field for it', lost: /^strict mode of tools removed$/ },
    'one call at a time': { reason: 'there is no field for it', lost: /^parallel_tool_calls removed$/ },
    'hidden thoughts': { reason: 'Gemini hides none', lost: /^redacted reasoning removed$/ },
    'a refusal in the history': refusalAsText,
    'cache marks': { reason: 'what is cached has a name there', lost: /^cache marks removed$/ },
    'reasoning low': levelAsBudget,
    'reasoning medium': levelAsBudget,
    'reasoning high': levelAsBudget,
    verbosity: { reason: 'there is no field for it', lost: /^verbosity removed$/ },
    user: { reason: 'there is no field for it', lost: /^user removed$/ },
    cacheKey: { reason: 'there is no field for it', lost: /^prompt_cache_key removed$/ },
    serviceTier: { reason: 'tiers of others mean nothing there', lost: /^service_tier removed$/ },
    metadata: { reason: 'there is no field for it', lost: /^metadata removed$/ },
  },
};
