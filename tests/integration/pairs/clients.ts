import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { type Content, GoogleGenAI, type Part, Type } from '@google/genai';
import { generateText, type LanguageModel, Output, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import type { ProtocolId } from '../../../src/protocols/codec.ts';
import { PICTURE } from './mind.ts';

/** Clients that nobody here wrote, each made to do the same few things in its own way. */
export type PairClient = {
  readonly name: string;
  readonly protocol: ProtocolId;
  ask(model: string, question: Question): Promise<Answer>;
  /** A whole tool loop, run by the client where it can. */
  runTools(model: string, question: Question, run: (city: string) => string): Promise<Answer>;
  structured(model: string): Promise<unknown>;
};

export type Question = {
  readonly prompt: string;
  readonly isStream: boolean;
  readonly instructions?: string;
  readonly hasPicture?: boolean;
  readonly thinks?: boolean;
};

export type Answer = {
  readonly text: string;
  /** Null: this client shows none. */
  readonly thoughts: string | null;
  /** Of the last answer. */
  readonly usage: { readonly input: number; readonly output: number; readonly cached: number } | null;
};

const Weather = z.object({ city: z.string(), degrees: z.number() });
const City = z.object({ city: z.string() });
const DESCRIPTION = 'The weather in a city';
const DATA_URL = `data:image/png;base64,${PICTURE}`;
const CITY_SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};

/** Fields that vendors add to their own servers' answers, which the SDKs' types do not know. */
const extra = (value: unknown, name: string): string => {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof found === 'string' ? found : '';
};

export function officialClients(url: string, key: string): readonly PairClient[] {
  return [openAiChat(url, key), openAiResponses(url, key), anthropic(url, key), google(url, key)];
}

export function aiSdkClients(url: string, key: string): readonly PairClient[] {
  const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
  const claude = createAnthropic({ baseURL: `${url}/v1`, apiKey: key });
  const gemini = createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key });
  const compatible = createOpenAICompatible({
    name: 'rotator',
    baseURL: `${url}/v1`,
    apiKey: key,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
  return [
    aiSdk('@ai-sdk/openai chat', 'openai-chat', (model) => openai.chat(model)),
    aiSdk('@ai-sdk/openai-compatible', 'openai-chat', (model) => compatible(model)),
    aiSdk('@ai-sdk/openai', 'openai-responses', (model) => openai(model)),
    aiSdk('@ai-sdk/anthropic', 'anthropic-messages', (model) => claude(model)),
    aiSdk('@ai-sdk/google', 'gemini', (model) => gemini(model)),
  ];
}

// --- OpenAI --------------------------------------------------------------------------------------------------------

function openAiChat(url: string, key: string): PairClient {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const body = (model: string, question: Question) => ({
    model,
    messages: [
      ...(question.instructions ? [{ role: 'system' as const, content: question.instructions }] : []),
      {
        role: 'user' as const,
        content: [
          { type: 'text' as const, text: question.prompt },
          ...(question.hasPicture ? [{ type: 'image_url' as const, image_url: { url: DATA_URL } }] : []),
        ],
      },
    ],
    ...(question.thinks && { reasoning_effort: 'high' as const }),
  });
  const heard = (completion: OpenAI.Chat.ChatCompletion, thoughts: string): Answer => ({
    text: completion.choices[0]?.message.content ?? '',
    thoughts,
    usage: completion.usage
      ? {
          input: completion.usage.prompt_tokens,
          output: completion.usage.completion_tokens,
          cached: completion.usage.prompt_tokens_details?.cached_tokens ?? 0,
        }
      : null,
  });
  return {
    name: 'openai chat',
    protocol: 'openai-chat',
    async ask(model, question) {
      if (!question.isStream) {
        const whole = await client.chat.completions.create(body(model, question));
        return heard(whole, extra(whole.choices[0]?.message, 'reasoning_content'));
      }
      const stream = client.chat.completions.stream({
        ...body(model, question),
        stream_options: { include_usage: true },
      });
      let thoughts = '';
      stream.on('chunk', (chunk) => {
        thoughts += extra(chunk.choices[0]?.delta, 'reasoning_content');
      });
      return heard(await stream.finalChatCompletion(), thoughts);
    },
    async runTools(model, question, run) {
      const asked = {
        ...body(model, question),
        tools: [
          {
            type: 'function' as const,
            function: {
              name: 'weather',
              description: DESCRIPTION,
              parameters: CITY_SCHEMA,
              parse: (text: string) => City.parse(JSON.parse(text)),
              function: ({ city }: { city: string }) => run(city),
            },
          },
        ],
      };
      const runner = question.isStream
        ? client.chat.completions.runTools({ ...asked, stream: true })
        : client.chat.completions.runTools(asked);
      return { text: (await runner.finalContent()) ?? '', thoughts: null, usage: null };
    },
    async structured(model) {
      const completion = await client.chat.completions.parse({
        ...body(model, { prompt: 'weather', isStream: false }),
        response_format: zodResponseFormat(Weather, 'weather'),
      });
      return completion.choices[0]?.message.parsed;
    },
  };
}

function openAiResponses(url: string, key: string): PairClient {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const body = (model: string, question: Question) => ({
    model,
    input: [
      {
        role: 'user' as const,
        content: [
          { type: 'input_text' as const, text: question.prompt },
          ...(question.hasPicture
            ? [{ type: 'input_image' as const, image_url: DATA_URL, detail: 'auto' as const }]
            : []),
        ],
      },
    ] satisfies OpenAI.Responses.ResponseInput,
    store: false,
    include: ['reasoning.encrypted_content' as const],
    ...(question.instructions && { instructions: question.instructions }),
    ...(question.thinks && { reasoning: { effort: 'high' as const, summary: 'auto' as const } }),
  });
  const tools = [
    { type: 'function' as const, name: 'weather', description: DESCRIPTION, parameters: CITY_SCHEMA, strict: true },
  ];
  const answered = async (
    asked: OpenAI.Responses.ResponseCreateParamsNonStreaming,
    isStream: boolean,
  ): Promise<OpenAI.Responses.Response> => {
    if (!isStream) return client.responses.create(asked);
    const { stream: _, ...rest } = asked;
    return client.responses.stream(rest).finalResponse();
  };
  const heard = (response: OpenAI.Responses.Response): Answer => ({
    text: response.output_text,
    thoughts: response.output
      .flatMap((item) => (item.type === 'reasoning' ? item.summary.map(({ text }) => text) : []))
      .join(''),
    usage: response.usage
      ? {
          input: response.usage.input_tokens,
          output: response.usage.output_tokens,
          // Servers other than OpenAI’s leave it out, whatever the types say.
          cached: response.usage.input_tokens_details?.cached_tokens ?? 0,
        }
      : null,
  });
  return {
    name: 'openai responses',
    protocol: 'openai-responses',
    ask: async (model, question) => heard(await answered(body(model, question), question.isStream)),
    async runTools(model, question, run) {
      const asked = body(model, question);
      let input: OpenAI.Responses.ResponseInput = asked.input;
      for (;;) {
        const response = await answered({ ...asked, input, tools }, question.isStream);
        const calls = response.output.filter((item) => item.type === 'function_call');
        if (calls.length === 0) return heard(response);
        input = [
          ...input,
          ...response.output.map((item) => item as OpenAI.Responses.ResponseInputItem),
          ...calls.map((call) => ({
            type: 'function_call_output' as const,
            call_id: call.call_id,
            output: run(City.parse(JSON.parse(call.arguments)).city),
          })),
        ];
      }
    },
    async structured(model) {
      const response = await client.responses.parse({
        ...body(model, { prompt: 'weather', isStream: false }),
        text: { format: zodTextFormat(Weather, 'weather') },
      });
      return response.output_parsed;
    },
  };
}

// --- Anthropic -----------------------------------------------------------------------------------------------------

function anthropic(url: string, key: string): PairClient {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const body = (model: string, question: Question) => ({
    model,
    max_tokens: 8000,
    messages: [
      {
        role: 'user' as const,
        content: [
          { type: 'text' as const, text: question.prompt },
          ...(question.hasPicture
            ? [
                {
                  type: 'image' as const,
                  source: { type: 'base64' as const, media_type: 'image/png' as const, data: PICTURE },
                },
              ]
            : []),
        ],
      },
    ],
    ...(question.instructions && { system: question.instructions }),
    ...(question.thinks && { thinking: { type: 'enabled' as const, budget_tokens: 2000 } }),
  });
  const heard = (message: Anthropic.Message | Anthropic.Beta.BetaMessage): Answer => ({
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    thoughts: message.content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    usage: {
      input: message.usage.input_tokens + (message.usage.cache_read_input_tokens ?? 0),
      output: message.usage.output_tokens,
      cached: message.usage.cache_read_input_tokens ?? 0,
    },
  });
  return {
    name: '@anthropic-ai/sdk',
    protocol: 'anthropic-messages',
    async ask(model, question) {
      if (!question.isStream) return heard(await client.messages.create(body(model, question)));
      return heard(await client.messages.stream(body(model, question)).finalMessage());
    },
    async runTools(model, question, run) {
      const weather = betaZodTool({
        name: 'weather',
        description: DESCRIPTION,
        inputSchema: City,
        run: ({ city }) => run(city),
      });
      const asked = { ...body(model, question), tools: [weather] };
      if (!question.isStream) return heard(await client.beta.messages.toolRunner(asked).runUntilDone());
      return heard(await client.beta.messages.toolRunner({ ...asked, stream: true }).runUntilDone());
    },
    async structured(model) {
      const message = await client.messages.parse({
        ...body(model, { prompt: 'weather', isStream: false }),
        output_config: { format: zodOutputFormat(Weather) },
      });
      return message.parsed_output;
    },
  };
}

// --- Google --------------------------------------------------------------------------------------------------------

function google(url: string, key: string): PairClient {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
  const configOf = (question: Question) => ({
    ...(question.instructions && { systemInstruction: question.instructions }),
    ...(question.thinks && { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } }),
  });
  const contentsOf = (question: Question): Content[] => [
    {
      role: 'user',
      parts: [
        { text: question.prompt },
        ...(question.hasPicture ? [{ inlineData: { mimeType: 'image/png', data: PICTURE } }] : []),
      ],
    },
  ];
  type Heard = { parts: Part[]; usage: Answer['usage'] };
  const asked = async (
    isStream: boolean,
    request: Parameters<typeof client.models.generateContent>[0],
  ): Promise<Heard> => {
    const chunks = isStream
      ? await Array.fromAsync(await client.models.generateContentStream(request))
      : [await client.models.generateContent(request)];
    const counts = chunks.at(-1)?.usageMetadata;
    return {
      parts: chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []),
      usage: counts
        ? {
            input: counts.promptTokenCount ?? 0,
            output: (counts.candidatesTokenCount ?? 0) + (counts.thoughtsTokenCount ?? 0),
            cached: counts.cachedContentTokenCount ?? 0,
          }
        : null,
    };
  };
  const answer = ({ parts, usage }: Heard): Answer => ({
    text: parts.map((part) => (part.thought ? '' : (part.text ?? ''))).join(''),
    thoughts: parts.map((part) => (part.thought ? (part.text ?? '') : '')).join(''),
    usage,
  });
  const weather = {
    name: 'weather',
    description: DESCRIPTION,
    parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] },
  };
  return {
    name: '@google/genai',
    protocol: 'gemini',
    ask: async (model, question) =>
      answer(await asked(question.isStream, { model, contents: contentsOf(question), config: configOf(question) })),
    async runTools(model, question, run) {
      const contents = contentsOf(question);
      const config = { ...configOf(question), tools: [{ functionDeclarations: [weather] }] };
      for (;;) {
        const heard = await asked(question.isStream, { model, contents, config });
        const calls = heard.parts.flatMap(({ functionCall }) => (functionCall ? [functionCall] : []));
        if (calls.length === 0) return answer(heard);
        contents.push(
          { role: 'model', parts: heard.parts },
          {
            role: 'user',
            parts: calls.map(({ id, name, args }) => ({
              functionResponse: {
                ...(id !== undefined && { id }),
                ...(name !== undefined && { name }),
                response: { output: run(City.parse(args).city) },
              },
            })),
          },
        );
      }
    },
    async structured(model) {
      const { text } = answer(
        await asked(false, {
          model,
          contents: 'weather',
          config: {
            responseMimeType: 'application/json',
            responseSchema: {
              type: Type.OBJECT,
              properties: { city: { type: Type.STRING }, degrees: { type: Type.NUMBER } },
              required: ['city', 'degrees'],
            },
          },
        }),
      );
      return JSON.parse(text);
    },
  };
}

// --- the AI SDK ----------------------------------------------------------------------------------------------------

function aiSdk(name: string, protocol: ProtocolId, modelOf: (model: string) => LanguageModel): PairClient {
  const ask = async (model: string, question: Question, run: ((city: string) => string) | null): Promise<Answer> => {
    const asked = {
      model: modelOf(model),
      maxRetries: 0,
      maxOutputTokens: 8000,
      ...(question.instructions && { instructions: question.instructions }),
      messages: [
        {
          role: 'user' as const,
          content: [
            { type: 'text' as const, text: question.prompt },
            ...(question.hasPicture
              ? [{ type: 'file' as const, data: Buffer.from(PICTURE, 'base64'), mediaType: 'image/png' }]
              : []),
          ],
        },
      ],
      ...(run && {
        tools: {
          weather: tool({ description: DESCRIPTION, inputSchema: City, execute: async ({ city }) => run(city) }),
        },
        stopWhen: stepCountIs(4),
      }),
      ...(question.thinks && {
        providerOptions: {
          openai: { reasoningEffort: 'high', reasoningSummary: 'auto', forceReasoning: true },
          anthropic: { thinking: { type: 'enabled', budgetTokens: 2000 } },
          google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } },
          rotator: { reasoningEffort: 'high' },
        },
      }),
    };
    const failures: unknown[] = [];
    const result = question.isStream
      ? streamText({ ...asked, onError: ({ error }) => void failures.push(error) })
      : await generateText(asked);
    const [text, thoughts, usage] = [await result.text, await result.reasoningText, await result.usage];
    if (failures.length > 0) throw failures[0];
    return {
      text,
      thoughts: thoughts ?? '',
      usage: {
        input: usage.inputTokens ?? 0,
        output: usage.outputTokens ?? 0,
        cached: usage.inputTokenDetails.cacheReadTokens ?? 0,
      },
    };
  };
  return {
    name,
    protocol,
    ask: (model, question) => ask(model, question, null),
    runTools: ask,
    async structured(model) {
      const { output } = await generateText({
        model: modelOf(model),
        maxRetries: 0,
        prompt: 'weather',
        output: Output.object({ schema: Weather }),
      });
      return output;
    },
  };
}
