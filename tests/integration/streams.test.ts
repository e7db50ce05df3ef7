import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { eventually } from '../support/eventually.ts';
import { readError } from '../support/expect-error.ts';
import { rawClient } from '../support/raw-http.ts';
import {
  type Answer,
  after,
  answer,
  chatFrames,
  chatStream,
  doneFrame,
  finishFrame,
  frame,
  gate,
  hangUp,
  refusal,
  reply,
  roleFrame,
  silence,
  startUpstream,
  stream,
  textFrame,
  usageFrame,
} from '../support/scripted-upstream.ts';
import { chatBody, clientKey, inOrder, type Rotator, startRotator } from '../support/server.ts';
import { dataOf, StreamTap, textOf } from '../support/stream-tap.ts';

const broken = refusal(500, { message: 'The server had an error', type: 'server_error' });
const oneTry = { retries_same_key: 0 };

/** Watches a promise without waiting for it. */
function watch<T>(promise: Promise<T>): { readonly isSettled: () => boolean } {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  promise.then(settle, settle);
  return { isSettled: () => isSettled };
}

/** A round trip through the same server: whatever it could have sent before is there afterwards. */
async function roundTrip(rotator: Rotator): Promise<void> {
  await (await fetch(`${rotator.url}/health`)).text();
}

/** The last two payloads of a stream that broke: the error, and the end mark behind it. */
function brokenEnd(text: string): ReturnType<typeof readError> {
  const data = dataOf(text);
  expect(data.at(-1)).toBe('[DONE]');
  return readError(JSON.parse(data.at(-2) ?? ''));
}

describe('before the commit point', () => {
  test('nothing reaches the client: no status line, no role chunk', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([': connected\n\n', roleFrame(), held, textFrame('now'), finishFrame(), doneFrame()]) },
    });
    await using rotator = await startRotator({ upstream });
    const response = rotator.stream();
    const head = watch(response);
    await held.reached;
    await roundTrip(rotator);
    expect(head.isSettled()).toBe(false);
    held.open();
    expect(await (await response).text()).toBe(
      [': connected\n\n', roleFrame(), textFrame('now'), finishFrame(), doneFrame()].join(''),
    );
  });

  const failures: [string, Answer][] = [
    ['a 500', broken],
    ['a 429', refusal(429, { message: 'slow down' }, { 'retry-after': '30' })],
    ['a connection closed without a reply', hangUp],
    ['an error frame first in a 200', stream(['data: {"error":{"message":"internal","code":500}}\n\n'])],
    ['an error event first in a 200', stream(['event: error\ndata: {"error":{"message":"no capacity"}}\n\n'])],
    ['an error frame behind the role chunk', stream([roleFrame(), 'data: {"error":{"message":"late"}}\n\n'])],
    ['a JSON error in a 200', reply(200, { error: { message: 'inside', code: 500 } })],
    ['an empty stream', stream([])],
    ['an empty stream until close', stream([], { framing: 'until-close' })],
    ['only comments', stream([': OPENROUTER PROCESSING\n\n', ': OPENROUTER PROCESSING\n\n'])],
    ['a role chunk, then the end', stream([roleFrame()])],
    ['a role chunk, then a closed connection', stream([roleFrame()], { end: 'fin' })],
    ['a role chunk, then a reset', stream([roleFrame()], { end: 'reset' })],
    ['a role chunk, then half a chunk', stream([roleFrame()], { end: 'half-chunk' })],
    ['[DONE] alone', stream([doneFrame()])],
    ['a role chunk and [DONE]', stream([roleFrame(), doneFrame()])],
  ];
  test.each(failures)('%s moves to the next key, and the client sees only the success', async (_, failure) => {
    await using upstream = await startUpstream({ keys: { one: failure, two: chatStream('from ', 'two') } });
    await using rotator = await startRotator({ upstream, rotation: oneTry });
    const response = await rotator.stream();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    expect(response.headers.get('x-rotator-attempts')).toBe('2');
    expect(await response.text()).toBe(chatFrames('from ', 'two').join(''));
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test.each(failures)('%s on every key is an error with a real status', async (_, failure) => {
    await using upstream = await startUpstream({ answer: () => failure });
    await using rotator = await startRotator({ upstream, keys: inOrder('one', 'two'), rotation: oneTry });
    const response = await rotator.stream();
    expect(response.status).toBeGreaterThanOrEqual(429);
    expect(readError(await response.json()).message).not.toBe('');
    await eventually('no lease is left', async () => (await rotator.status()).in_flight === 0);
  });

  test.each([
    ['text', frame({ content: 'x' })],
    ['reasoning', frame({ reasoning_content: 'hm' })],
    ['reasoning as others name it', frame({ reasoning: 'hm' })],
    ['a refusal', frame({ refusal: 'no' })],
    [
      'a tool call',
      frame({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] }),
    ],
  ])('%s is what commits', async (_, first) => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: stream([roleFrame(), first, held, finishFrame()]) } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.stream();
    const tap = new StreamTap(response);
    expect(await tap.until((text) => text.length >= roleFrame().length + first.length)).toBe(roleFrame() + first);
    held.open();
    await tap.rest();
  });

  test('more waiting frames than the buffer holds are delivered, not lost', async () => {
    const role = frame({ role: 'assistant', content: '', padding: 'x'.repeat(1000) });
    const many = Array.from({ length: 400 }, () => role);
    await using upstream = await startUpstream({
      keys: { one: stream([...many, textFrame('at last'), finishFrame(), doneFrame()]) },
    });
    await using rotator = await startRotator({ upstream });
    const text = await (await rotator.stream()).text();
    expect(text).toBe([...many, textFrame('at last'), finishFrame(), doneFrame()].join(''));
  });

  test('an empty answer with a finish reason is a success', async () => {
    await using upstream = await startUpstream({
      keys: { one: stream([roleFrame(), finishFrame(), doneFrame()]), two: chatStream('never') },
    });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.stream();
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(roleFrame() + finishFrame() + doneFrame());
    expect(upstream.keysUsed).toEqual(['one']);
  });

  test('a whole answer without content is a success with a finish reason, and rotates without one', async () => {
    const empty = (finish: string | null) =>
      answer('', { choices: [{ index: 0, message: { role: 'assistant', content: null }, finish_reason: finish }] });
    await using upstream = await startUpstream({
      keys: { one: [empty('stop'), empty(null)], two: answer('from two') },
    });
    await using rotator = await startRotator({ upstream, rotation: oneTry });
    expect((await rotator.chat()).status).toBe(200);
    expect(upstream.keysUsed).toEqual(['one']);
    expect(await (await rotator.chat()).text()).toContain('from two');
    expect(upstream.keysUsed).toEqual(['one', 'one', 'two']);
  });
});

describe('hold', () => {
  const quick = { hold: '50ms', heartbeat: '20ms' };

  test('gives the client a 200 and a heartbeat while rotation goes on, then the answer', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: after(held, broken), two: chatStream('from ', 'two') },
    });
    await using rotator = await startRotator({ upstream, rotation: oneTry, server: quick });
    const response = await rotator.stream();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toStartWith('text/event-stream');
    expect(response.headers.get('x-request-id')).toBeTruthy();
    for (const name of ['x-rotator-target', 'x-rotator-credential', 'x-fallback-provider']) {
      expect(response.headers.get(name)).toBeNull();
    }
    const tap = new StreamTap(response);
    await tap.until((text) => text.split(': rotator').length > 3);
    expect(tap.text.replaceAll(': rotator\n\n', '')).toBe('');
    held.open();
    const text = await tap.rest();
    expect(text.replaceAll(': rotator\n\n', '')).toBe(chatFrames('from ', 'two').join(''));
    expect(upstream.keysUsed).toEqual(['one', 'two']);
  });

  test('leaves the warnings of the request to a comment before the answer', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, chatStream('late')) } });
    await using rotator = await startRotator({
      upstream,
      server: quick,
      sections: { requests: [{ match: 'mock/*', remove: ['seed'] }] },
    });
    const response = await rotator.stream({ seed: 1 });
    expect(response.headers.get('x-rotator-warnings')).toBeNull();
    held.open();
    const text = (await response.text()).replaceAll(': rotator\n\n', '');
    expect(text).toBe(`: x-rotator-warnings: seed removed\n\n${chatFrames('late').join('')}`);
  });

  test('then a total failure is an error event and [DONE] in the stream', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, broken) } });
    await using rotator = await startRotator({ upstream, rotation: oneTry, server: quick });
    const response = await rotator.stream();
    expect(response.status).toBe(200);
    held.open();
    const text = await response.text();
    const error = brokenEnd(text);
    expect(error.type).toBe('upstream_error');
    expect(error.rotator?.attempts).toHaveLength(1);
    expect(text).not.toContain('finish_reason');
    expect(dataOf(text)).toHaveLength(2);
  });

  test('counts the time in the queue too', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, chatStream('served')) } });
    await using rotator = await startRotator({
      upstream,
      server: quick,
      provider: { concurrency: { max_per_key: 1 } },
    });
    const first = rotator.stream();
    await held.reached;
    const second = await rotator.stream();
    expect(second.status).toBe(200);
    expect(upstream.calls).toHaveLength(1);
    held.open();
    expect(textOf(await (await first).text())).toBe('served');
    expect(textOf(await second.text())).toBe('served');
  });

  test('does not touch a request for a whole answer: it has its real status, however long it takes', async () => {
    const held = gate();
    const clock = gate();
    await using upstream = await startUpstream({
      answer: (request) => (request.text.includes('clock') ? after(clock, chatStream('tick')) : after(held, broken)),
    });
    await using rotator = await startRotator({ upstream, keys: ['one'], rotation: oneTry, server: quick });
    const response = rotator.chat();
    await held.reached;
    const head = watch(response);
    const other = new StreamTap(await rotator.stream({ model: 'mock/clock' }));
    await other.until((text) => text.split(': rotator').length > 3);
    expect(head.isSettled()).toBe(false);
    held.open();
    expect((await response).status).toBe(502);
    clock.open();
    await other.rest();
  });

  test('without a heartbeat still sends the status line', async () => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: after(held, chatStream('late')) } });
    await using rotator = await startRotator({ upstream, server: { hold: '50ms', heartbeat: 0 } });
    const response = await rotator.stream();
    expect(response.status).toBe(200);
    held.open();
    expect(textOf(await response.text())).toBe('late');
  });
});

describe('after the commit point', () => {
  const half = [roleFrame(), textFrame('half an ans')];
  test.each<[string, Parameters<typeof stream>[1]]>([
    ['a closed connection (FIN)', { end: 'fin' }],
    ['a closed connection of a body without framing', { framing: 'until-close' }],
    ['a reset (RST)', { end: 'reset' }],
    ['a chunk that is cut off', { end: 'half-chunk' }],
    ['a regular end without a finish reason', { end: 'clean' }],
  ])('%s ends with an error event, and never looks like a normal end', async (_, how) => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([...half, held], how), two: chatStream('never') },
    });
    await using rotator = await startRotator({ upstream });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('half an ans');
    held.open();
    const text = await tap.rest();
    expect(text).toStartWith(half.join(''));
    const error = brokenEnd(text);
    expect(error.type).toBe('upstream_error');
    expect(text).not.toContain('"finish_reason":"stop"');
    expect(upstream.calls).toHaveLength(1);
    await eventually('no lease is left', async () => (await rotator.status()).in_flight === 0);
  });

  test.each([
    ['[DONE] without a finish reason', doneFrame()],
    ['[DONE] inside an unfinished frame', 'data: {"choices":[\ndata: [DONE]\n\n'],
    ['a frame that is no JSON, then the end', 'data: {"choices":[{"ind\n\n'],
  ])('%s is a broken stream', async (_, last) => {
    const held = gate();
    await using upstream = await startUpstream({ keys: { one: stream([...half, held, last]) } });
    await using rotator = await startRotator({ upstream });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('half an ans');
    held.open();
    const text = await tap.rest();
    expect(brokenEnd(text).type).toBe('upstream_error');
    expect(dataOf(text).filter((data) => data === '[DONE]')).toHaveLength(1);
  });

  test('a broken stream that arrives in one piece never looks like a whole one', async () => {
    await using upstream = await startUpstream({ keys: { one: stream([half.join('') + doneFrame()]) } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.stream();
    // Nothing has been sent yet when the end is known, so it may have its real status.
    if (response.status === 200) expect(brokenEnd(await response.text()).type).toBe('upstream_error');
    else expect(response.status).toBe(502);
  });

  test('an error event of the upstream is passed to the client as an error, with [DONE] behind it', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([...half, held, 'data: {"error":{"message":"boom","type":"server_error"}}\n\n']) },
    });
    await using rotator = await startRotator({ upstream });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('half an ans');
    held.open();
    const text = await tap.rest();
    expect(brokenEnd(text).message).toContain('boom');
    expect(dataOf(text).filter((data) => data.includes('"error"'))).toHaveLength(1);
  });

  test('silence longer than idle ends with a timeout error', async () => {
    const never = gate();
    await using upstream = await startUpstream({ keys: { one: stream([...half, never]) } });
    await using rotator = await startRotator({ upstream, timeouts: { idle: '100ms' } });
    const text = await (await rotator.stream()).text();
    expect(brokenEnd(text).type).toBe('timeout_error');
    await eventually('the upstream call is cancelled', () => upstream.open === 0);
  });

  test('a missing [DONE] is added after a finish reason', async () => {
    await using upstream = await startUpstream({
      keys: { one: stream([roleFrame(), textFrame('all of it'), finishFrame()]) },
    });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.stream()).text()).toBe(
      [roleFrame(), textFrame('all of it'), finishFrame(), doneFrame()].join(''),
    );
  });

  test.each<[string, Parameters<typeof stream>[1]]>([
    ['closed', { end: 'fin' }],
    ['ended in order', { framing: 'until-close' }],
  ])('a connection %s behind the finish reason is a normal end', async (_, how) => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([roleFrame(), textFrame('all'), finishFrame(), held], how) },
    });
    await using rotator = await startRotator({ upstream });
    const tap = new StreamTap(await rotator.stream());
    await tap.until('"stop"');
    held.open();
    const text = await tap.rest();
    expect(dataOf(text).at(-1)).toBe('[DONE]');
    expect(text).not.toContain('"error"');
  });

  test('with two choices both must have finished', async () => {
    const two = [frame({ content: 'a' }, null, 0), frame({ content: 'b' }, null, 1)];
    const last = frame({}, 'length', 1);
    const held = gate();
    await using upstream = await startUpstream({
      keys: {
        one: stream([...two, held, finishFrame(), doneFrame()]),
        two: stream([...two, finishFrame(), last, doneFrame()]),
      },
    });
    await using rotator = await startRotator({ upstream });
    const tap = new StreamTap(await rotator.stream({ n: 2 }));
    await tap.until('"b"');
    held.open();
    expect(brokenEnd(await tap.rest()).type).toBe('upstream_error');
    const whole = await (await rotator.stream({ n: 2 })).text();
    expect(whole).toBe([...two, finishFrame(), last, doneFrame()].join(''));
  });
});

describe('usage', () => {
  const withUsage = [roleFrame(), textFrame('x'), finishFrame(), usageFrame(), doneFrame()];

  test('is asked for upstream, and its frame removed when the client did not ask', async () => {
    await using upstream = await startUpstream({ keys: { one: stream(withUsage) } });
    await using rotator = await startRotator({ upstream });
    const text = await (await rotator.stream()).text();
    expect(text).toBe(withUsage.filter((each) => each !== usageFrame()).join(''));
    expect(JSON.parse(upstream.calls[0]?.text ?? '').stream_options).toEqual({ include_usage: true });
    await eventually('the tokens are counted', async () => (await rotator.keys())[0]?.usage.input_tokens === 7);
    expect((await rotator.keys())[0]?.usage).toMatchObject({ requests: 1, failures: 0, output_tokens: 3 });
  });

  test('stays in the stream of a client that asked', async () => {
    await using upstream = await startUpstream({ keys: { one: stream(withUsage) } });
    await using rotator = await startRotator({ upstream });
    const text = await (await rotator.stream({ stream_options: { include_usage: true } })).text();
    expect(text).toBe(withUsage.join(''));
  });

  test('is asked for beside the other stream options of the client', async () => {
    await using upstream = await startUpstream({ keys: { one: stream(withUsage) } });
    await using rotator = await startRotator({ upstream });
    const options = { include_obfuscation: false, include_usage: false };
    const text = await (await rotator.stream({ stream_options: options })).text();
    expect(text).not.toContain('"usage"');
    expect(JSON.parse(upstream.calls[0]?.text ?? '').stream_options).toEqual({
      include_obfuscation: false,
      include_usage: true,
    });
  });

  test('in the last content frame stays where it is', async () => {
    const last =
      'data: {"choices":[{"index":0,"delta":{"content":"!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n';
    await using upstream = await startUpstream({ keys: { one: stream([textFrame('x'), last, doneFrame()]) } });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.stream()).text()).toBe(textFrame('x') + last + doneFrame());
    await eventually('the tokens are counted', async () => (await rotator.keys())[0]?.usage.input_tokens === 4);
  });

  test('is not asked for with stream_usage: false', async () => {
    await using upstream = await startUpstream({ keys: { one: stream(withUsage) } });
    await using rotator = await startRotator({ upstream, provider: { stream_usage: false } });
    await (await rotator.stream()).text();
    expect(JSON.parse(upstream.calls[0]?.text ?? '')).not.toHaveProperty('stream_options');
  });

  test('of a whole answer is counted, and stream options are never added to it', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    await (await rotator.chat()).text();
    expect(JSON.parse(upstream.calls[0]?.text ?? '')).not.toHaveProperty('stream_options');
    await eventually('the tokens are counted', async () => (await rotator.keys())[0]?.usage.output_tokens === 3);
  });
});

describe('heartbeats', () => {
  test('go between frames only, however long a frame takes', async () => {
    const whole = gate();
    const half = gate();
    const clock = gate();
    const text = textFrame('a frame that comes in two parts');
    await using upstream = await startUpstream({
      answer: (request) =>
        request.text.includes('clock')
          ? after(clock, chatStream('tick'))
          : stream([textFrame('one'), whole, text.slice(0, 40), half, text.slice(40), finishFrame(), doneFrame()]),
    });
    await using rotator = await startRotator({
      upstream,
      keys: ['one'],
      server: { hold: '20ms', heartbeat: '20ms' },
    });
    const tap = new StreamTap(await rotator.stream());
    await tap.until((soFar) => soFar.split(': rotator\n\n').length > 2);
    whole.open();
    await half.reached;
    // Heartbeats of another quiet stream are the clock: several have gone by when the second half comes.
    const other = new StreamTap(await rotator.stream({ model: 'mock/clock' }));
    await other.until((soFar) => soFar.split(': rotator\n\n').length > 4);
    half.open();
    const received = await tap.rest();
    expect(received).toContain(text);
    expect(received.replaceAll(': rotator\n\n', '')).toBe(textFrame('one') + text + finishFrame() + doneFrame());
    clock.open();
    await other.rest();
  });

  test('keep a stream alive that is quiet after its first text', async () => {
    const held = gate();
    await using upstream = await startUpstream({
      keys: { one: stream([textFrame('one'), held, textFrame('two'), finishFrame(), doneFrame()]) },
    });
    await using rotator = await startRotator({ upstream, server: { heartbeat: '20ms' } });
    const tap = new StreamTap(await rotator.stream());
    await tap.until((text) => text.split(': rotator').length > 4);
    held.open();
    expect(textOf(await tap.rest())).toBe('onetwo');
  });
});

describe('the passthrough lane', () => {
  const request = (model: string) =>
    `\n{ "zeta" : 1.0,\t"messages":[ {"role":"user","content":"caf\\u00e9 \\ud83d\\ude00 / \\/ é","x":null} ],"model" :  "${model}" ,\r\n "unknown_field":{"b":1,"a":[1e3,1E+3,-0,12345678901234567890]}, "temperature":0.10, "user":"" } \n`;

  test('changes no byte of a request but the model name', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    expect((await rotator.chat(request('mock/vendor/m'))).status).toBe(200);
    expect(upstream.calls[0]?.text).toBe(request('vendor/m'));
  });

  test('changes no byte at all when the model was asked for by its bare name', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') }, models: ['bare-model'] });
    await using rotator = await startRotator({ upstream });
    expect((await rotator.chat(request('bare-model'))).status).toBe(200);
    expect(upstream.calls[0]?.text).toBe(request('bare-model'));
  });

  test('patches every occurrence of a repeated or escaped model key', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream, provider: { models: { deny: ['forbidden'] } } });
    const body = (a: string, b: string) => `{"model":"${a}","messages":[],"mod\\u0065l": "${b}"}`;
    expect((await rotator.chat(body('mock/forbidden', 'mock/m'))).status).toBe(200);
    expect(upstream.calls[0]?.text).toBe(body('m', 'm'));
    expect((await rotator.chat(body('mock/m', 'mock/forbidden'))).status).toBe(404);
    expect(upstream.calls).toHaveLength(1);
  });

  test('changes no byte of a whole reply', async () => {
    const text =
      '{ "id" : "1","vendor":{"x":[1.0,1e3]},\n"model":"upstream-name","choices":[{"index":0,"finish_reason":"stop","message":{"content":"caf\\u00e9 \\ud83d\\ude00 é","role":"assistant","refusal":null}}],"usage":null }\n\n';
    await using upstream = await startUpstream({ keys: { one: reply(200, text) } });
    await using rotator = await startRotator({ upstream });
    const response = await rotator.chat();
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('x-rotator-warnings')).toBeNull();
    expect(await response.text()).toBe(text);
  });

  const odd = [
    ': a comment\n',
    '\n',
    'retry: 3000\n\n',
    'id: 7\nevent: message\ndata:{"choices":[{"index":0,"delta":{"content":"no \\u0073pace"},"finish_reason":null}],"x":{"b":1,"a":1.0}}\n\n',
    'data: {"choices":[{"index":0,\ndata: "delta":{"content":"two lines"},"finish_reason":null}]}\n\n',
    '\n\n',
    ': another\n\n',
    'data:  {"choices" : [ {"index":0,"delta":{},"finish_reason":"stop"} ] , "model":"upstream-name" }\n\n',
    'data: [DONE]\n\n',
  ];
  test('changes no byte of a stream, comments and odd fields included', async () => {
    await using upstream = await startUpstream({ keys: { one: stream(odd) } });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.stream()).text()).toBe(odd.join(''));
  });

  test.each(['\r\n', '\r'])('keeps line ends as they are: %j', async (end) => {
    const frames = odd.map((each) => each.replaceAll('\n', end));
    await using upstream = await startUpstream({ keys: { one: stream(frames) } });
    await using rotator = await startRotator({ upstream });
    expect(await (await rotator.stream()).text()).toBe(frames.join(''));
  });

  test('keeps a stream whose writes cut frames, lines and characters anywhere', async () => {
    const bytes = new TextEncoder().encode(
      [roleFrame(), textFrame('日本語 😀 é'), finishFrame(), usageFrame(), doneFrame()]
        .join('')
        .replaceAll('\n', '\r\n'),
    );
    for (const size of [1, 2, 3, 7]) {
      const parts = [];
      for (let at = 0; at < bytes.length; at += size) parts.push(bytes.slice(at, at + size));
      await using upstream = await startUpstream({ keys: { one: stream(parts) } });
      await using rotator = await startRotator({ upstream });
      const text = await (await rotator.stream({ stream_options: { include_usage: true } })).text();
      expect(text).toBe(new TextDecoder().decode(bytes));
    }
  });

  test('passes a single frame of several megabytes', async () => {
    const image = frame({ content: 'x'.repeat(6 * 1024 * 1024) });
    await using upstream = await startUpstream({
      keys: { one: stream([roleFrame(), image, finishFrame(), doneFrame()]) },
    });
    await using rotator = await startRotator({ upstream });
    const text = await (await rotator.stream()).text();
    expect(text === roleFrame() + image + finishFrame() + doneFrame()).toBe(true);
  });

  test('passes a request of several megabytes', async () => {
    await using upstream = await startUpstream({ keys: { one: answer('x') } });
    await using rotator = await startRotator({ upstream });
    const content = 'é'.repeat(2 * 1024 * 1024);
    expect((await rotator.chat({ messages: [{ role: 'user', content }] })).status).toBe(200);
    const received = upstream.calls[0]?.text ?? '';
    expect(received === JSON.stringify(chatBody({ model: 'm', messages: [{ role: 'user', content }] }))).toBe(true);
  });
});

describe('a client that goes away', () => {
  async function expectNoBlame(rotator: Rotator): Promise<void> {
    await eventually('no lease is left', async () => (await rotator.status()).in_flight === 0);
    for (const key of await rotator.keys()) {
      expect(key).toMatchObject({ state: 'ready', in_flight: 0, blocks: [], usage: { failures: 0 } });
    }
  }

  test.each([
    ['a whole answer', false],
    ['a stream', true],
  ])('while it waits for %s cancels the upstream call at once, and blames nobody', async (_, isStream) => {
    await using upstream = await startUpstream({ answer: () => silence });
    await using rotator = await startRotator({ upstream, keys: ['one', 'two'] });
    const leaving = new AbortController();
    const response = rotator.chat({ stream: isStream }, { signal: leaving.signal });
    response.catch(() => {});
    await eventually('the upstream is asked', () => upstream.calls.length === 1);
    leaving.abort();
    await upstream.calls[0]?.gone;
    await expectNoBlame(rotator);
    expect(upstream.calls).toHaveLength(1);
  });

  test('in the middle of a stream cancels it at once, and blames nobody', async () => {
    const never = gate();
    await using upstream = await startUpstream({ keys: { one: stream([roleFrame(), textFrame('one'), never]) } });
    await using rotator = await startRotator({ upstream });
    const leaving = new AbortController();
    const tap = new StreamTap(await rotator.stream({}, { signal: leaving.signal }));
    await tap.until('one');
    leaving.abort();
    await upstream.calls[0]?.gone;
    await expectNoBlame(rotator);
  });

  test('after hold cancels it at once, and blames nobody', async () => {
    await using upstream = await startUpstream({ keys: { one: silence } });
    await using rotator = await startRotator({ upstream, server: { hold: '20ms', heartbeat: '20ms' } });
    const leaving = new AbortController();
    const tap = new StreamTap(await rotator.stream({}, { signal: leaving.signal }));
    await tap.until(': rotator');
    leaving.abort();
    await upstream.calls[0]?.gone;
    await expectNoBlame(rotator);
  });

  test('while the upstream never stops sending cancels it at once', async () => {
    const endless: Answer = async (wire) => {
      await wire.head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
      for (;;) await wire.chunk(textFrame('more '.repeat(1000)));
    };
    await using upstream = await startUpstream({ keys: { one: endless } });
    await using rotator = await startRotator({ upstream });
    const leaving = new AbortController();
    const tap = new StreamTap(await rotator.stream({}, { signal: leaving.signal }));
    await tap.until((text) => text.length > 500_000);
    leaving.abort();
    await upstream.calls[0]?.gone;
    await expectNoBlame(rotator);
  });
});

/** The most that Linux lets the buffers of one connection grow to; a guess elsewhere. */
function socketBuffers(): number {
  const mostOf = (name: string) => {
    const path = `/proc/sys/net/ipv4/${name}`;
    return existsSync(path) ? Number(readFileSync(path, 'utf8').trim().split(/\s+/).at(-1)) : 6 * 1024 * 1024;
  };
  return mostOf('tcp_rmem') + mostOf('tcp_wmem');
}

describe('a slow reader', () => {
  test('holds the upstream back: a stream takes bounded memory, and loses nothing', async () => {
    const line = textFrame('x'.repeat(64 * 1024));
    // What the system may hold of two connections, and 2 MB of rotator's own.
    const bound = 2 * socketBuffers() + 2 * 1024 * 1024;
    const frames = Math.ceil((1.5 * bound) / line.length);
    let written = 0;
    const large: Answer = async (wire) => {
      await wire.head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
      for (let i = 0; i < frames; i++) {
        await wire.chunk(line);
        written = wire.written;
      }
      await wire.chunk(finishFrame() + doneFrame());
      await wire.lastChunk();
    };
    await using upstream = await startUpstream({ keys: { one: large } });
    await using rotator = await startRotator({ upstream });
    using client = await rawClient(rotator.url, { keeps: false });
    const body = JSON.stringify(chatBody({ stream: true }));
    client.send(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${clientKey}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await eventually('the stream has begun', () => client.size > 0);
    client.pause();
    let before = -1;
    let quiet = 0;
    await eventually('the upstream stands still', () => {
      quiet = written === before ? quiet + 1 : 0;
      before = written;
      return quiet > 60;
    });
    // A busy machine may have let the client read a good part before it was paused; that is held nowhere.
    expect(written - client.size).toBeLessThan(bound);
    expect(written).toBeLessThan(line.length * frames);
    client.resume();
    await client.ended;
    expect(client.size).toBeGreaterThan(line.length * frames);
    await eventually('no lease is left', async () => (await rotator.status()).in_flight === 0);
    expect((await rotator.keys())[0]?.usage.failures).toBe(0);
  }, 30_000);
});
