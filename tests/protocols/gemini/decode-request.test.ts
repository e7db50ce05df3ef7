import { describe, expect, test } from 'bun:test';
import { isProblem } from '../../../src/protocols/codec.ts';
import { gemini } from '../../../src/protocols/gemini/index.ts';
import type { JsonRecord } from '../../../src/protocols/ir.ts';
import { decoded, encodeContext } from './chat-request.ts';

const hi = [{ role: 'user', parts: [{ text: 'hi' }] }];

/** Read and written again by the same codec. */
function home(body: JsonRecord): JsonRecord {
  const { warnings: _, ...request } = decoded(body);
  return gemini.encodeRequest(request, encodeContext()).value.body;
}

describe('a request', () => {
  test('says the same in camel case and in snake case', () => {
    const camel = decoded({
      contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/PNG; x=1', data: 'AA==' } }] }],
      systemInstruction: { parts: [{ text: 'S' }] },
      generationConfig: {
        maxOutputTokens: 5,
        topP: 0.5,
        topK: 3,
        stopSequences: ['x'],
        responseMimeType: 'application/json',
        responseSchema: { type: 'OBJECT', properties: { a: { type: 'STRING' } } },
        thinkingConfig: { thinkingBudget: 100, includeThoughts: true },
        responseModalities: ['TEXT'],
        candidateCount: 2,
        responseLogprobs: true,
      },
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
      tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT' } }] }],
    });
    const snake = decoded({
      contents: [{ role: 'user', parts: [{ inline_data: { mime_type: 'image/PNG; x=1', data: 'AA==' } }] }],
      system_instruction: { parts: [{ text: 'S' }] },
      generation_config: {
        max_output_tokens: 5,
        top_p: 0.5,
        top_k: 3,
        stop_sequences: ['x'],
        response_mime_type: 'application/json',
        response_schema: { type: 'OBJECT', properties: { a: { type: 'STRING' } } },
        thinking_config: { thinking_budget: 100, include_thoughts: true },
        response_modalities: ['TEXT'],
        candidate_count: 2,
        response_logprobs: true,
      },
      tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
      tools: [{ function_declarations: [{ name: 'f', parameters: { type: 'OBJECT' } }] }],
    });
    expect(snake).toEqual(camel);
    expect(camel).toMatchObject({
      instructions: [{ type: 'text', text: 'S' }],
      turns: [
        { role: 'user', parts: [{ type: 'image', source: { kind: 'data', mediaType: 'image/png', data: 'AA==' } }] },
      ],
      maxOutputTokens: 5,
      topP: 0.5,
      topK: 3,
      stop: ['x'],
      output: { type: 'json-schema', schema: { type: 'object', properties: { a: { type: 'string' } } } },
      reasoning: { amount: { kind: 'budget', tokens: 100 }, isShown: true },
      modalities: ['text'],
      choices: 2,
      logprobs: 0,
      toolChoice: { type: 'tool', name: 'f' },
      tools: [{ type: 'function', name: 'f', parameters: { type: 'object' } }],
      foreign: null,
      warnings: [],
    });
  });

  test.each<[unknown, string[]]>([
    ['S', ['S']],
    [{ role: 'user', parts: [{ text: 'S' }, { text: '' }, { text: 'T' }] }, ['S', 'T']],
    [[{ text: 'S' }], ['S']],
    [undefined, []],
  ])('has instructions, as %j', (systemInstruction, texts) => {
    const { instructions } = decoded({ contents: hi, systemInstruction });
    expect(instructions.map((part) => part.type === 'text' && part.text)).toEqual(texts);
  });

  test('whose calls have no ids gets them, the same for call and result, and none that is taken', () => {
    const { turns } = decoded({
      contents: [
        ...hi,
        {
          role: 'model',
          parts: [
            { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'SIG' },
            { functionCall: { name: 'g' } },
            { functionCall: { name: 'f', id: 'call_1' } },
          ],
        },
        {
          role: 'function',
          parts: [
            { functionResponse: { name: 'g', response: { output: 'G' } } },
            { functionResponse: { name: 'f', response: { error: 'bad' } } },
            { functionResponse: { name: 'f', id: 'call_1', response: { a: 1, b: 2 } } },
            { text: 'and now?' },
          ],
        },
      ],
    });
    expect(turns.slice(1)).toEqual([
      {
        role: 'assistant',
        parts: [
          {
            type: 'tool-call',
            id: 'call_2',
            name: 'f',
            arguments: '{"a":1}',
            kind: 'function',
            signature: { protocol: 'gemini', value: 'SIG' },
          },
          { type: 'tool-call', id: 'call_3', name: 'g', arguments: '{}', kind: 'function' },
          { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{}', kind: 'function' },
        ],
      },
      {
        role: 'tool',
        parts: [
          {
            type: 'tool-result',
            callId: 'call_3',
            name: 'g',
            content: [{ type: 'text', text: 'G' }],
            isError: false,
            kind: 'function',
          },
          {
            type: 'tool-result',
            callId: 'call_2',
            name: 'f',
            content: [{ type: 'text', text: 'bad' }],
            isError: true,
            kind: 'function',
          },
          {
            type: 'tool-result',
            callId: 'call_1',
            name: 'f',
            content: [{ type: 'text', text: '{"a":1,"b":2}' }],
            isError: false,
            kind: 'function',
          },
        ],
      },
      { role: 'user', parts: [{ type: 'text', text: 'and now?' }] },
    ]);
  });

  test('has thoughts, signed text and images of the model', () => {
    const { turns } = decoded({
      contents: [
        {
          role: 'model',
          parts: [
            { text: 'hm', thought: 'true' },
            { text: 'a', thoughtSignature: 'T' },
            { inlineData: { mimeType: 'image/png', data: 'AA==' }, thoughtSignature: 'I' },
            { executableCode: { language: 'PYTHON', code: '1' } },
          ],
        },
      ],
    });
    expect(turns).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'hm', signature: null },
          { type: 'text', text: 'a', signature: { protocol: 'gemini', value: 'T' } },
          {
            type: 'image',
            source: { kind: 'data', mediaType: 'image/png', data: 'AA==' },
            signature: { protocol: 'gemini', value: 'I' },
          },
          {
            type: 'foreign',
            protocol: 'gemini',
            name: 'executableCode',
            value: { executableCode: { language: 'PYTHON', code: '1' } },
          },
        ],
      },
    ]);
  });

  test('whose client lost a signature has none', () => {
    const part = { functionCall: { name: 'f', id: 'c' }, thoughtSignature: 'skip_thought_signature_validator' };
    expect(decoded({ contents: [{ role: 'model', parts: [part] }] }).turns[0]?.parts).toEqual([
      { type: 'tool-call', id: 'c', name: 'f', arguments: '{}', kind: 'function' },
    ]);
  });

  test.each<[object, string]>([
    [{ output: 'x' }, 'x'],
    [{ result: { a: 1 } }, '{"a":1}'],
    [{ name: 'f', content: [1] }, '[1]'],
    [{ name: 'another', content: 1 }, '{"name":"another","content":1}'],
    [{}, '{}'],
  ])('has the result %j as %p', (response, text) => {
    const { turns } = decoded({ contents: [{ role: 'user', parts: [{ functionResponse: { name: 'f', response } }] }] });
    expect(turns[0]?.parts[0]).toMatchObject({ content: [{ type: 'text', text }] });
  });

  test('has media by what they are', () => {
    const part = (value: object) => decoded({ contents: [{ parts: [value] }] }).turns[0]?.parts[0];
    expect(part({ inlineData: { mimeType: 'audio/wav', data: 'AA==' } })).toMatchObject({ type: 'audio' });
    expect(part({ inlineData: { mimeType: 'application/pdf', data: 'AA==', displayName: 'a.pdf' } })).toMatchObject({
      type: 'file',
      filename: 'a.pdf',
    });
    expect(part({ fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a' } })).toEqual({
      type: 'image',
      source: { kind: 'url', url: 'https://example.com/a', mediaType: 'image/png' },
    });
    expect(part({ fileData: { mimeType: 'video/mp4', fileUri: 'https://g.example/v1beta/files/x1' } })).toEqual({
      type: 'file',
      source: { kind: 'file-id', protocol: 'gemini', id: 'https://g.example/v1beta/files/x1', mediaType: 'video/mp4' },
      filename: null,
    });
    expect(decoded({ contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: '%%' } }] }] })).toMatchObject({
      warnings: ['unreadable media removed'],
    });
  });

  test.each<[object, unknown]>([
    [{ thinkingBudget: 0 }, { amount: { kind: 'off' }, isShown: null }],
    [{ thinkingBudget: -1 }, { amount: { kind: 'dynamic' }, isShown: null }],
    [{ thinkingLevel: 'HIGH' }, { amount: { kind: 'level', level: 'high' }, isShown: null }],
    [{ includeThoughts: false }, { amount: null, isShown: false }],
    [{ thinkingLevel: 'THINKING_LEVEL_UNSPECIFIED' }, null],
  ])('asks for thinking with %j', (thinkingConfig, wish) => {
    expect(decoded({ contents: hi, generationConfig: { thinkingConfig } }).reasoning).toEqual(wish as never);
  });

  test('above the size that is checked for JSON names what it cannot read', () => {
    const text = `{"contents":[${'x'.repeat(70_000)}]}`;
    const envelope = gemini.readRequest(new TextEncoder().encode(text), { model: 'm', isStream: false });
    if (isProblem(envelope)) throw new Error('was judged early');
    expect(gemini.decodeRequest(envelope)).toMatchObject({ status: 400, param: 'contents' });
  });
});

describe('a request that comes home', () => {
  test('means the same, with all that has no neutral form', () => {
    const body = {
      systemInstruction: { role: 'user', parts: [{ text: 'S' }] },
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'q' },
            { inlineData: { mimeType: 'image/png', data: 'AA==' } },
            { fileData: { mimeType: 'image/heic', fileUri: 'https://g.example/v1beta/files/x1' } },
            { fileData: { fileUri: 'gs://b/v.mp4', mimeType: 'video/mp4' }, videoMetadata: { startOffset: '1s' } },
          ],
        },
        {
          role: 'model',
          parts: [
            { text: 'hm', thought: true },
            { executableCode: { language: 'PYTHON', code: '1' } },
            { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '1' } },
            { text: 'calling', thoughtSignature: 'T' },
            { functionCall: { name: 'f', args: { a: [1, { b: null }] }, id: 'c1' }, thoughtSignature: 'S' },
          ],
        },
        {
          role: 'user',
          parts: [{ functionResponse: { name: 'f', id: 'c1', response: { result: { ok: true } } } }, { text: 'go on' }],
        },
      ],
      tools: [
        {
          functionDeclarations: [
            {
              name: 'f',
              description: 'F',
              parameters: { type: 'OBJECT', properties: { a: { type: 'STRING', nullable: true } } },
            },
          ],
        },
        { googleSearch: { timeRangeFilter: {} } },
        { codeExecution: {} },
        { urlContext: {} },
      ],
      toolConfig: {
        functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f', 'g'] },
        retrievalConfig: { languageCode: 'en' },
      },
      generationConfig: {
        maxOutputTokens: 10,
        temperature: 0.5,
        thinkingConfig: { thinkingBudget: 100, includeThoughts: true },
        mediaResolution: 'MEDIA_RESOLUTION_LOW',
        speechConfig: { languageCode: 'de-DE' },
        imageConfig: { aspectRatio: '1:1' },
      },
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
      cachedContent: 'cachedContents/1',
      labels: { a: 'b' },
      serviceTier: 'flex',
      somethingNew: { x: 1 },
    };
    expect(decoded(body).warnings).toEqual([]);
    expect(home(body)).toEqual(body);
  });

  test('keeps a mode and a format that only Gemini has', () => {
    const body = {
      contents: hi,
      tools: [{ functionDeclarations: [{ name: 'f' }] }],
      toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } },
      generationConfig: { responseMimeType: 'text/x.enum', responseSchema: { type: 'STRING', enum: ['a'] } },
    };
    expect(home(body)).toEqual(body);
  });

  test('is named elsewhere by what cannot be carried', () => {
    const { foreign } = decoded({ contents: hi, safetySettings: [], generationConfig: { speechConfig: {} } });
    expect(foreign).toEqual({
      protocol: 'gemini',
      fields: { safetySettings: [], 'generationConfig.speechConfig': {} },
    });
  });
});
