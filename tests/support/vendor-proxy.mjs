// Stands between a program and the internet: an HTTP proxy that answers for every https host itself, with certificates
// of a CA of its own. Nothing leaves the machine. Runs under Node, started by vendor-proxy.ts.
//
// A key tells how it is answered: one with `limited` in it is rate-limited for ten minutes, `revoked` is refused, `broke`
// is out of credit; any other is served.
//
// Writes `ready PORT` on stdout, then one JSON line for each request it answered. The CA is written to argv[2].
import { writeFileSync } from 'node:fs';
import { generateCACertificate, getLocal } from 'mockttp';

/** By host; any other lists `listed-model`. */
const MODELS = {
  'api.groq.com': ['llama-3.3-70b-versatile', 'openai/gpt-oss-120b'],
  'openrouter.ai': ['meta-llama/llama-3.3-70b-instruct', 'google/gemini-2.5-flash'],
  'generativelanguage.googleapis.com': ['gemini-2.5-flash', 'gemini-2.5-pro'],
  'integrate.api.nvidia.com': ['meta/llama-3.3-70b-instruct'],
  'api.anthropic.com': ['claude-sonnet-4-5'],
};

const ca = await generateCACertificate();
writeFileSync(process.argv[2], ca.cert);

const proxy = getLocal({ https: { key: ca.key, cert: ca.cert }, recordTraffic: false, http2: false });
await proxy.forAnyRequest().thenCallback(async (request) => {
  const { url, method, headers } = request;
  const text = (await request.body.getText()) ?? '';
  process.stdout.write(`${JSON.stringify({ url, method, headers, text })}\n`);
  const { host, pathname } = new URL(url);
  const key = headers.authorization ?? headers['x-api-key'] ?? headers['x-goog-api-key'] ?? '';
  const refusal = refusalOf(key, method);
  if (refusal) return refusal;
  if (method === 'GET') return json(listOf(host));
  const { model, stream } = JSON.parse(text);
  const words = `hello from ${host}`;
  if (pathname.endsWith('/messages')) return message(model, words, stream);
  if (pathname.includes('enerateContent')) return content(words, pathname.includes('stream'));
  return completion(model, words, stream);
});
await proxy.start(0);
process.stdout.write(`ready ${proxy.port}\n`);

// Ends with whoever started it.
process.stdin.resume();
process.stdin.on('close', () => process.exit(0));

function refusalOf(key, method) {
  const refuse = (status, error, more = {}) => ({ ...json({ error }, more), statusCode: status });
  if (key.includes('revoked')) {
    return refuse(401, { message: 'Invalid API Key', type: 'invalid_request_error', code: 'invalid_api_key' });
  }
  // Lists are free.
  if (method === 'GET') return null;
  if (key.includes('broke')) return refuse(402, { message: 'Insufficient credits', code: 402 });
  if (key.includes('limited')) {
    const message = 'Rate limit reached for requests per day (RPD): Limit 1000, Used 1000';
    return refuse(429, { message, type: 'requests', code: 'rate_limit_exceeded' }, { 'retry-after': '600' });
  }
  return null;
}

function listOf(host) {
  const ids = MODELS[host] ?? ['listed-model'];
  if (!host.startsWith('generativelanguage')) {
    return { object: 'list', data: ids.map((id) => ({ id, object: 'model' })) };
  }
  const supportedGenerationMethods = ['generateContent', 'countTokens'];
  return { models: ids.map((id) => ({ name: `models/${id}`, supportedGenerationMethods })) };
}

function completion(model, words, stream) {
  const head = { id: 'chatcmpl-vendor', created: 1_790_000_000, model };
  if (!stream) {
    const answer = { role: 'assistant', content: words };
    return json({
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message: answer, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    });
  }
  const chunk = (delta, finish_reason) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason }],
  });
  const events = [chunk({ role: 'assistant', content: words }, null), chunk({}, 'stop')];
  return eventStream(`${frames(events)}data: [DONE]\n\n`);
}

function message(model, words, stream) {
  const usage = { input_tokens: 1, output_tokens: 2 };
  const whole = {
    id: 'msg_vendor',
    type: 'message',
    role: 'assistant',
    model,
    content: [{ type: 'text', text: words }],
    stop_reason: 'end_turn',
    usage,
  };
  if (!stream) return json(whole);
  const events = [
    { type: 'message_start', message: { ...whole, content: [], stop_reason: null } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage },
    { type: 'message_stop' },
  ];
  return eventStream(events.map((event) => `event: ${event.type}\n${frames([event])}`).join(''));
}

function content(words, isStream) {
  const whole = {
    candidates: [{ content: { role: 'model', parts: [{ text: words }] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2, totalTokenCount: 3 },
  };
  return isStream ? eventStream(frames([whole])) : json(whole);
}

function frames(events) {
  return events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
}

function eventStream(body) {
  return { statusCode: 200, headers: { 'content-type': 'text/event-stream' }, body };
}

function json(value, headers = {}) {
  return { statusCode: 200, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}
