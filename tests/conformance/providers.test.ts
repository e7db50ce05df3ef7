import { describe, expect, test } from 'bun:test';
import { adaptReplyBytes, adaptRequest, eventAdapter } from '../../src/providers/adapt.ts';
import { classifyReply } from '../../src/providers/classify.ts';
import { readCommonModels } from '../../src/providers/model-list.ts';
import type { AdaptContext, JsonObject, Provider } from '../../src/providers/provider.ts';
import { authorize, callUrl, downstreamHeaders, modelsUrl, upstreamHeaders } from '../../src/providers/request.ts';
import { JsonIndex } from '../../src/shared/json-bytes.ts';
import { Secret } from '../../src/shared/secret.ts';
import type { SseFrame } from '../../src/shared/sse.ts';
import { RECORDED_AT, recorded } from './provider-fixture.ts';

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

function indexOf(body: unknown): JsonIndex {
  const index = JsonIndex.of(encode(body));
  if (!index) throw new Error('the fixture is no JSON object');
  return index;
}

/** A call in the provider's own protocol. */
const spoken = (provider: Provider, model: string, isStream: boolean): AdaptContext => ({
  model,
  isStream,
  protocol: provider.protocol,
});
const ACCOUNT = { project_id: 'my-project' };
const baseOf = (provider: Provider) => provider.baseUrl ?? 'http://127.0.0.1:8000/v1';
const classified = recorded.flatMap(({ provider, fixture }) => fixture.errors.map((error) => ({ provider, error })));

describe.each(recorded.map((entry) => [entry.provider.id, entry] as const))('%s', (_, { provider, fixture }) => {
  test('is called at its documented place, with or without a trailing slash', () => {
    const { chat, models } = fixture.calls;
    expect(callUrl(provider, baseOf(provider), spoken(provider, 'm', false))).toBe(chat);
    expect(callUrl(provider, `${baseOf(provider)}/`, spoken(provider, 'm', false))).toBe(chat);
    expect(modelsUrl(provider, baseOf(provider))).toBe(models);
  });

  test('has its place in the order of fallbacks', () => {
    expect(provider.tier).toBe(fixture.tier);
  });

  test('gets the key where it looks for it, and none when there is none', () => {
    const headers = new Headers();
    authorize(provider, headers, null);
    expect([...headers]).toEqual([]);
    authorize(provider, headers, new Secret('sk-test'));
    expect(Object.fromEntries(headers)).toEqual(fixture.key ?? { authorization: 'Bearer sk-test' });
  });

  test('sees allow-listed headers only', () => {
    const client = new Headers({
      authorization: 'Bearer client',
      cookie: 'a=b',
      'x-api-key': 'client',
      'x-forwarded-for': '10.0.0.1',
      'openai-organization': 'org-1',
      'user-agent': 'curl/8',
      accept: 'text/event-stream',
      'content-type': 'application/json',
      'openai-beta': 'x=1',
      'idempotency-key': 'k',
      'x-title': 'my app',
    });
    const sent = Object.fromEntries(upstreamHeaders(provider, client, { 'x-own': '1' }, '1.2.3'));
    const attribution = provider.id === 'openrouter' ? { 'x-title': 'my app' } : {};
    expect(sent).toEqual({
      accept: 'text/event-stream',
      'content-type': 'application/json',
      'idempotency-key': 'k',
      'openai-beta': 'x=1',
      ...(provider.protocol === 'anthropic-messages' && { 'anthropic-version': '2023-06-01' }),
      'user-agent': 'rotator/1.2.3',
      'x-own': '1',
      ...attribution,
    });
  });

  test('lets only its content type back to the client', () => {
    const upstream = new Headers({
      'content-type': 'text/event-stream',
      'set-cookie': 'a=b',
      'x-ratelimit-remaining-requests': '3',
      'transfer-encoding': 'chunked',
    });
    expect(downstreamHeaders(provider, upstream)).toEqual({ 'content-type': 'text/event-stream' });
  });

  test.each(fixture.requests.map((request) => [request.name, request] as const))('request: %s', (_name, request) => {
    const index = indexOf(request.body);
    const adapted = adaptRequest(provider, index, spoken(provider, request.model, request.isStream), {});
    expect(decode(adapted.bytes)).toEqual(request.sent);
    expect(adapted.changes).toEqual(request.changes);
    // What is named is what was done: no change named means no byte changed, but for fields that say nothing.
    if (Bun.deepEquals(request.sent, request.body)) expect(adapted.bytes).toBe(index.bytes);
  });

  test.each(fixture.replies.map((reply) => [reply.name, reply] as const))('reply: %s', (_name, reply) => {
    const bytes = encode(reply.body);
    const adapted = adaptReplyBytes(provider, bytes, spoken(provider, 'm', false));
    expect(adapted.isChanged).toBe(reply.adapted !== null);
    if (reply.adapted === null) expect(adapted.bytes).toBe(bytes);
    else expect(decode(adapted.bytes)).toEqual(reply.adapted);
  });

  test.each(fixture.streams.map((stream) => [stream.name, stream] as const))('stream: %s', (_name, stream) => {
    const adapt = eventAdapter(provider, spoken(provider, 'm', true));
    const seen = stream.events.map((event) => {
      const json = structuredClone(event);
      return adapt?.(json) ? json : null;
    });
    expect(seen).toEqual([...stream.adapted]);
  });

  test.each((fixture.rewrites ?? []).map((stream) => [stream.name, stream] as const))(
    'stream of its own: %s',
    (_name, { frames, rewritten }) => {
      const rewriter = provider.rewriteStream?.(spoken(provider, 'm', true));
      const sent = [...frames.map(frameOf).flatMap((frame) => rewriter?.push(frame) ?? []), ...(rewriter?.end() ?? [])];
      expect(sent.map(({ data }) => readData(data))).toEqual([...rewritten]);
      for (const { bytes, data } of sent) expect(new TextDecoder().decode(bytes)).toBe(`data: ${data}\n\n`);
    },
  );

  test('a rewritten stream stands among its recorded ones, and odd frames pass through it', () => {
    expect([provider.id, (fixture.rewrites ?? []).length > 0]).toEqual([
      provider.id,
      provider.rewriteStream?.(spoken(provider, 'm', true)) !== undefined,
    ]);
    const rewriter = provider.rewriteStream?.(spoken(provider, 'm', true));
    const odd = [
      null,
      '',
      'x',
      '{',
      '[]',
      '{"choices":null}',
      '{"choices":[null,1,{"delta":"x"}]}',
      '{"type":1}',
      '[DONE]',
    ];
    for (const data of odd) expect(() => rewriter?.push({ bytes: new Uint8Array(0), event: null, data })).not.toThrow();
    expect(provider.rewriteStream?.({ model: 'm', isStream: true, protocol: 'gemini' })).toBeUndefined();
  });

  test('event hooks take anything that is a JSON object', () => {
    const adapt = eventAdapter(provider, spoken(provider, 'm', true));
    const odd: JsonObject[] = [
      {},
      { choices: null },
      { choices: [null, 1, { delta: 'x' }] },
      { choices: [{ delta: { tool_calls: [1, {}], content: [null] } }] },
    ];
    for (const event of odd) expect(() => adapt?.(event)).not.toThrow();
  });

  test.each(fixture.models.map((page, i) => [i + 1, page] as const))(
    'model list, page %i',
    (_number, { page, models, next }) => {
      const read = (provider.readModels ?? readCommonModels)(page);
      expect<unknown>(read).toEqual({ models, ...(next !== undefined && { next }) });
      if (next === undefined) return;
      const wanted = new URL(next, 'http://page').searchParams;
      const asked = new URL(modelsUrl(provider, baseOf(provider), next)).searchParams;
      expect([...wanted]).not.toEqual([]);
      for (const [name, value] of wanted) expect(asked.get(name)).toBe(value);
    },
  );

  test.each(fixture.errors.map((error) => [error.name, error] as const))('error: %s', (_name, error) => {
    const text = error.text ?? JSON.stringify(error.json);
    const failure = classifyReply(provider, {
      status: error.status,
      headers: new Headers(error.headers),
      text,
      json: error.text === undefined ? error.json : parse(error.text),
      model: error.model,
      now: RECORDED_AT,
    });
    expect<unknown>(failure).toMatchObject(error.failure);
    expect(failure.message).not.toBe('');
    expect(failure.message.length).toBeLessThanOrEqual(500);
    expect(failure.message).not.toMatch(/[\r\n]/);
  });

  test.each((fixture.quotas ?? []).map((quota) => [quota.name, quota] as const))('quota: %s', (_name, quota) => {
    const { pollQuota } = provider;
    expect<unknown>(pollQuota?.request({ baseUrl: baseOf(provider), account: ACCOUNT })).toEqual(quota.request);
    const reading = pollQuota?.read({ json: quota.json, headers: new Headers(), now: RECORDED_AT });
    expect<unknown>(reading).toEqual(quota.windows && { windows: quota.windows });
  });

  test('is asked for its quota where the config says that it is, and reads any answer', () => {
    const { pollQuota } = provider;
    expect([provider.id, (fixture.quotas ?? []).length > 0]).toEqual([provider.id, pollQuota !== undefined]);
    if (!pollQuota) return;
    const { url } = pollQuota.request({ baseUrl: 'http://127.0.0.1:1/v1', account: ACCOUNT });
    expect(url).toStartWith('http://127.0.0.1:1/');
    for (const json of [undefined, null, [], 'x', {}, { quota: null, used: '3' }]) {
      expect(pollQuota.read({ json, headers: new Headers(), now: RECORDED_AT })).toBeNull();
    }
  });
});

describe('the recorded bodies', () => {
  test('hold requests, replies, models and errors of every provider', () => {
    for (const { provider, fixture } of recorded) {
      const counts = [fixture.requests, fixture.replies, fixture.models, fixture.errors].map((list) => list.length);
      expect([provider.id, Math.min(...counts) > 0]).toEqual([provider.id, true]);
    }
  });

  test('read the same when the body arrives only as text', () => {
    for (const { provider, error } of classified) {
      const reply = { status: error.status, headers: new Headers(error.headers), model: error.model, now: RECORDED_AT };
      const text = error.text ?? JSON.stringify(error.json);
      const json = error.text === undefined ? error.json : parse(error.text);
      const fromJson = classifyReply(provider, { ...reply, text, json });
      expect(classifyReply(provider, { ...reply, text, json: undefined }).kind).toBe(fromJson.kind);
      if (json !== undefined) expect(classifyReply(provider, { ...reply, text: '', json }).kind).toBe(fromJson.kind);
    }
  });
});

/** Text stands for itself, as end marks do. */
function frameOf(value: unknown): SseFrame {
  const data = typeof value === 'string' ? value : JSON.stringify(value);
  return { bytes: new TextEncoder().encode(`data: ${data}\n\n`), event: null, data };
}

const readData = (data: string | null): unknown => (data === null ? null : (parse(data) ?? data));

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
