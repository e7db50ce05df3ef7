// The edges where translators are known to break, each with the tests that stand at it. Those of the second half stand
// nowhere else.
import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codecOf } from '../../src/protocols/index.ts';
import { read, write } from './protocol-lane.ts';

const GEMINI = 'protocols/gemini/encode-request';
const SCHEMA = 'protocols/gemini/schema';
const GEMINI_REPLY = 'protocols/gemini/decode-reply';
const CLAUDE = 'protocols/anthropic-messages/encode-request';
const CLAUDE_STREAM = 'protocols/anthropic-messages/stream-encoder';
const THINKING = 'protocols/anthropic-messages/thinking';
const RESPONSES = 'protocols/openai-responses/decode-request';
const RESPONSES_STREAM = 'protocols/openai-responses/stream-encoder';
const CHAT = 'protocols/openai-chat/decode-request';

/** Number, edge, and which tests stand there: the file below `tests/`, and the name or the row of its table. */
const edges: readonly (readonly [number, string, readonly (readonly [file: string, name: string])[]])[] = [
  [
    35,
    'system text midway, alone, as developer, in parts',
    [
      [GEMINI, 'of one role are one content, and system text midway stands where it was said'],
      [GEMINI, 'that are none: the instructions are what the user says'],
      [CHAT, 'are the system and developer messages at the front; a later one is a turn'],
      ['conformance/edge-cases', 'a system message in parts, and a developer, instruct Gemini'],
    ],
  ],
  [
    36,
    'results in another order, missing, without a call, twice, without ids',
    [
      [GEMINI, 'made at once and answered in another order are answered in one content, in the order of the calls'],
      [GEMINI, 'a missing result is filled in'],
      [GEMINI, 'a result without a call is dropped'],
      [GEMINI, 'of a repeated result the last content is kept'],
      [GEMINI, 'results without ids are matched by order'],
    ],
  ],
  [
    37,
    'turns of one role, the model first or last, an empty turn with calls',
    [
      [GEMINI, 'of one role are one content, and system text midway stands where it was said'],
      [GEMINI, 'that begin with the model get a user in front'],
      [GEMINI, 'that end with the model are kept where an answer can be continued, else continued by a wish'],
      [GEMINI, 'without content are left out'],
      [CHAT, 'with content ${JSON.stringify(content)} and a call is the call'],
    ],
  ],
  [38, 'arguments that are empty, null, encoded twice, a list', [[GEMINI, 'arguments %j are %j']]],
  [
    39,
    'results that are text, JSON of each kind, parts with an image',
    [
      [GEMINI, 'the result %j is %j'],
      [GEMINI, 'an image in a result stands in it where the model takes that, else behind all results'],
    ],
  ],
  [
    40,
    'schemas of every kind',
    [
      [SCHEMA, 'follows references, and stops where one leads back to itself'],
      [SCHEMA, 'keeps properties that are called like words of JSON Schema'],
      [SCHEMA, 'an enumeration of numbers is told, so that numbers come back'],
      [SCHEMA, 'the constant null'],
      [SCHEMA, 'a value or null'],
      [SCHEMA, 'alternatives that are constants, with what is said of each'],
      [SCHEMA, 'allOf is one object'],
      [SCHEMA, 'an empty object'],
      [SCHEMA, 'an array without items'],
      [SCHEMA, 'the schema true'],
      [SCHEMA, 'a required property that is none is not required'],
      [SCHEMA, 'a tuple'],
      [SCHEMA, 'extensions are dropped'],
      [SCHEMA, 'keeps thirty levels, and cuts what goes on for ever with a warning'],
    ],
  ],
  [
    41,
    'names that Gemini refuses, two that become one, and the way back',
    [
      [
        GEMINI,
        'are renamed where Gemini takes no such name, in declarations, history and choice alike, and known by the way back',
      ],
      [GEMINI_REPLY, 'has calls without arguments, and under the names that the client knows'],
      ['protocols/openai-chat/decode-reply', 'have the names that the client gave them'],
    ],
  ],
  [
    42,
    'the choice of a tool that was renamed',
    [
      [
        GEMINI,
        'are renamed where Gemini takes no such name, in declarations, history and choice alike, and known by the way back',
      ],
    ],
  ],
  [
    43,
    'thought signatures: there and back, lost, of parallel calls, of another vendor',
    [
      [CHAT, 'finds Gemini’s signature of a call in ${name}'],
      [CHAT, 'only the signed one of parallel calls is signed'],
      [GEMINI, 'that are lost are asked to be let through: of the first call of each step since the user spoke'],
      [GEMINI, 'of another protocol are dropped'],
      ['gateway/reasoning-memory', 'gives the call its signature back, also where the client put a mark of its own'],
    ],
  ],
  [
    44,
    'media by data URL, by URL, broken, sounds, PDFs without a prefix',
    [
      ['conformance/edge-cases', 'an image with a charset and a type in capitals is one for Gemini'],
      [GEMINI, 'a URL with an extension'],
      [CHAT, 'base64 that is none is refused by its place'],
      ['conformance/edge-cases', 'a sound of the format %s is %s to Gemini'],
      ['conformance/edge-cases', 'a PDF without a data: prefix is one for Gemini'],
    ],
  ],
  [
    45,
    'odd answers of Gemini',
    [
      [GEMINI_REPLY, 'has thoughts by either kind of true, and signatures with what they sign'],
      [GEMINI_REPLY, 'has calls without arguments, and under the names that the client knows'],
      [GEMINI_REPLY, 'counts its calls over all chunks, and keeps the ids that it is given'],
      [GEMINI_REPLY, 'that ends with %s ended by %s, with calls by %s'],
      [GEMINI_REPLY, 'becomes events: usage as it grows, whole calls, and the finish at the end'],
      [GEMINI_REPLY, 'whose prompt was refused ends by the content filter'],
      [GEMINI_REPLY, 'of two candidates keeps them apart'],
      ['protocols/gemini/wire', 'is complete when every candidate that was seen has its finish reason'],
    ],
  ],
  [
    46,
    'malformed calls, mended or not',
    [
      [GEMINI_REPLY, 'that is %s is made'],
      [GEMINI_REPLY, 'that is cut off or no call at all is none: %j'],
    ],
  ],
  [
    47,
    'results in Messages: before text, two, with an image, failed, missing, twice',
    [
      [
        'protocols/anthropic-messages/decode-request',
        'has results in front of the text they came with, and knows whose they are',
      ],
      ['protocols/anthropic-messages/decode-request', 'has images and documents inside results'],
      [CLAUDE, 'results stand first in the one user message behind their calls, an image and an error with them'],
      [CLAUDE, 'a missing result is filled in, a repeated one counts once with its last content'],
    ],
  ],
  [
    48,
    'thinking with its signature, hidden, when it is off, with a forced tool',
    [
      [
        'protocols/anthropic-messages/decode-request',
        'keeps thoughts with their signatures, and hidden ones as they are',
      ],
      [CLAUDE, 'signed thoughts stay where they were; unsigned and foreign ones do not'],
      [CLAUDE, 'thoughts are dropped when thinking is off'],
      ['conformance/edge-cases', 'thinking and a forced tool do not go to Claude together'],
    ],
  ],
  [
    49,
    'cache marks: more than four, an hour behind five minutes, on nothing',
    [
      [CLAUDE, 'more than four: the oldest go'],
      [CLAUDE, 'an hour behind five minutes is shortened, in front of them it is not'],
      [CLAUDE, 'on empty text go with it'],
    ],
  ],
  [
    50,
    'streams of Messages of every shape',
    [
      [CLAUDE_STREAM, 'of text, a call and text again has three blocks'],
      [CLAUDE_STREAM, 'of a call alone'],
      [CLAUDE_STREAM, 'of thoughts alone'],
      [CLAUDE_STREAM, 'that is empty'],
      [CLAUDE_STREAM, 'usage before the finish'],
      [CLAUDE_STREAM, 'no usage'],
      ['integration/surfaces', 'ends with an error event in Messages, and no message_stop'],
      ['protocols/anthropic-messages/stream-decoder', 'that ends twice has one end'],
      ['protocols/anthropic-messages/stream-decoder', 'that never says how it ends has its calls closed and an end'],
    ],
  ],
  [51, 'tool_use only with a call', [[CLAUDE_STREAM, 'calls that were never announced']]],
  [52, 'cached tokens are taken off once, and never below 0', [[CLAUDE_STREAM, 'more cached than went in']]],
  [
    53,
    'max_tokens left out, too high, below the budget',
    [
      [THINKING, 'the limit nobody named is the default'],
      [THINKING, 'a limit above the model is lowered'],
      [THINKING, 'a budget at the limit is lowered'],
    ],
  ],
  [
    54,
    'a message between a call and its output',
    [[RESPONSES, 'with a message between a call and its output becomes a history in which the message comes after']],
  ],
  [
    55,
    'two calls, then two outputs',
    [[RESPONSES, 'makes one turn of consecutive calls, and one of their results, named by the history']],
  ],
  [
    56,
    'reasoning items before a call, two of them, with an empty summary',
    [
      [RESPONSES, 'keeps reasoning with its paragraphs, its encrypted form and its id before the call it led to'],
      [RESPONSES, 'reads the thoughts of open models, which have no summary'],
    ],
  ],
  [
    57,
    'custom tools, namespaces, an output with an image',
    [
      [RESPONSES, 'reads custom tools, their calls and their outputs'],
      [RESPONSES_STREAM, 'unwraps the stand-in of a custom tool while it comes, and hears one that speaks plainly'],
      [RESPONSES, 'flattens namespaces into functions with qualified names, in tools, choices and the history'],
      [RESPONSES, 'keeps an output’s images, also when they came as text'],
    ],
  ],
  [
    58,
    'incomplete for its length or its content, and failed',
    [
      [RESPONSES_STREAM, 'is ${status} for ${end.type === '],
      ['integration/surfaces', 'ends with response.failed in Responses, in the count and of the same answer'],
    ],
  ],
  [
    59,
    'numbers that rise, places that stay, usage that comes late',
    [
      [
        RESPONSES_STREAM,
        'counts from 0 without a gap, keeps each item’s place, and repeats all items at the end in that order',
      ],
      ['conformance/codecs', 'an answer says the same, whole and as a stream, and the stream keeps every rule'],
    ],
  ],
  [
    60,
    'long names, and an end without its output',
    [
      [
        'protocols/openai-responses/encode-request',
        'has the names of its tools cleaned alike everywhere, and says the way back',
      ],
      [
        'protocols/openai-responses/stream-reader',
        'whose last event repeats no item is put together from the items it had',
      ],
    ],
  ],
  [
    61,
    'suffixes, and what a model takes of them',
    [
      ['protocols/reasoning', 'none where the model cannot be without as its least'],
      ['protocols/reasoning', 'a level that is not there as the nearest'],
      ['protocols/reasoning', 'a level of a model nobody knows as it is'],
      ['integration/surfaces', 'on ${protocol}, asked for in %s'],
    ],
  ],
  [
    62,
    'think tags, cut anywhere, never closed, half a tag',
    [
      ['providers/think-tags', 'are the same wherever the answer is cut'],
      ['providers/think-tags', '<think>a</thi'],
      ['providers/think-tags', '<thin'],
    ],
  ],
  [
    63,
    'reasoning that a client has lost',
    [
      ['gateway/reasoning-memory', 'gives its thoughts back before the call that they led to'],
      ['integration/pairs/pairs', 'reasoning in a tool loop'],
    ],
  ],
];

test.each(edges.map(([number, edge, proofs]) => [number, edge, proofs] as const))(
  'edge %i (%s) has its tests',
  (_, __, proofs) => {
    for (const [file, name] of proofs) {
      const source = readFileSync(join(import.meta.dir, '..', `${file}.test.ts`), 'utf8');
      const isThere = [`'${name}'`, `\`${name}`].some((quoted) => source.includes(quoted));
      expect([file, name, isThere]).toEqual([file, name, true]);
    }
  },
);

test('no edge is left out', () => {
  expect(edges.map(([number]) => number)).toEqual(Array.from({ length: 29 }, (_, at) => at + 35));
});

// --- those that stand nowhere else ------------------------------------------------------------------------------------

const chat = codecOf('openai-chat');
const toGemini = (messages: readonly object[], more: object = {}) => {
  const asked = read(chat, { model: 'm', messages, ...more });
  const written = write(codecOf('gemini'), asked.value);
  return { body: written.value.body, warnings: [...asked.warnings, ...written.warnings] };
};
const shown = (...content: readonly object[]) => toGemini([{ role: 'user', content }]);

test('a system message in parts, and a developer, instruct Gemini', () => {
  const { body } = toGemini([
    {
      role: 'system',
      content: [
        { type: 'text', text: 'one' },
        { type: 'text', text: 'two' },
      ],
    },
    { role: 'developer', content: 'three' },
    { role: 'user', content: 'hi' },
  ]);
  expect(body).toMatchObject({
    systemInstruction: { parts: [{ text: 'one' }, { text: 'two' }, { text: 'three' }] },
    contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
  });
});

describe('what a chat client attaches', () => {
  test('an image with a charset and a type in capitals is one for Gemini', () => {
    const { body } = shown({ type: 'image_url', image_url: { url: 'data:IMAGE/PNG;charset=utf-8;base64,aGk=' } });
    expect(body).toMatchObject({ contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: 'aGk=' } }] }] });
  });

  test.each([
    ['wav', 'audio/wav'],
    ['mp3', 'audio/mpeg'],
    ['flac', 'audio/flac'],
    ['ogg', 'audio/ogg'],
    ['aac', 'audio/aac'],
  ])('a sound of the format %s is %s to Gemini', (format, mimeType) => {
    const { body, warnings } = shown({ type: 'input_audio', input_audio: { data: 'aGk=', format } });
    expect([body, warnings]).toMatchObject([
      { contents: [{ parts: [{ inlineData: { mimeType, data: 'aGk=' } }] }] },
      [],
    ]);
  });

  test('a PDF without a data: prefix is one for Gemini', () => {
    const { body } = shown({ type: 'file', file: { filename: 'a.pdf', file_data: 'JVBERi0=' } });
    expect(body).toMatchObject({
      contents: [{ parts: [{ inlineData: { mimeType: 'application/pdf', data: 'JVBERi0=' } }] }],
    });
  });
});

test('thinking and a forced tool do not go to Claude together', () => {
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
  const asked = read(chat, {
    model: 'm',
    messages: [{ role: 'user', content: 'hi' }],
    tools,
    tool_choice: 'required',
    reasoning_effort: 'high',
  });
  const { value, warnings } = write(codecOf('anthropic-messages'), asked.value, { model: 'claude-sonnet-4-5' });
  const { thinking, tool_choice: choice } = value.body;
  expect([thinking !== undefined, JSON.stringify(choice ?? {}).includes('any')]).not.toEqual([true, true]);
  expect(warnings).toHaveLength(1);
});
