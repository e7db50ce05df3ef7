// Stands between a program and the internet: an HTTP proxy that answers for every https host itself, with certificates
// of a CA of its own. Nothing leaves the machine. Runs under Node, started by vendor-proxy.ts.
//
// Writes `ready PORT` on stdout, then one JSON line for each request it answered. The CA is written to argv[2].
import { writeFileSync } from 'node:fs';
import { generateCACertificate, getLocal } from 'mockttp';

const ca = await generateCACertificate();
writeFileSync(process.argv[2], ca.cert);

const proxy = getLocal({ https: { key: ca.key, cert: ca.cert }, recordTraffic: false, http2: false });
await proxy.forAnyRequest().thenCallback(async (request) => {
  const { url, method, headers } = request;
  const text = (await request.body.getText()) ?? '';
  process.stdout.write(`${JSON.stringify({ url, method, headers, text })}\n`);
  if (method === 'GET') return json({ object: 'list', data: [{ id: 'listed-model', object: 'model' }] });
  const { model, stream } = JSON.parse(text);
  const words = `hello from ${new URL(url).host}`;
  if (url.endsWith('/messages')) {
    const usage = { input_tokens: 1, output_tokens: 2 };
    const content = [{ type: 'text', text: words }];
    return json({
      id: 'msg_vendor',
      type: 'message',
      role: 'assistant',
      model,
      content,
      stop_reason: 'end_turn',
      usage,
    });
  }
  if (url.endsWith(':generateContent')) {
    return json({ candidates: [{ content: { role: 'model', parts: [{ text: words }] }, finishReason: 'STOP' }] });
  }
  const head = { id: 'chatcmpl-vendor', created: 1_790_000_000, model };
  if (!stream) {
    const message = { role: 'assistant', content: words };
    return json({
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    });
  }
  const chunk = (delta, finish_reason) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason }],
  });
  const events = [chunk({ role: 'assistant', content: words }, null), chunk({}, 'stop')];
  return {
    statusCode: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`,
  };
});
await proxy.start(0);
process.stdout.write(`ready ${proxy.port}\n`);

// Ends with whoever started it.
process.stdin.resume();
process.stdin.on('close', () => process.exit(0));

function json(value) {
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
