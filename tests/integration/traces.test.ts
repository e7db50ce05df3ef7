import { expect, test } from 'bun:test';
import { startCollector } from '../support/collector.ts';
import { chatStream, refusal, startUpstream } from '../support/scripted-upstream.ts';
import { inOrder, startRotator } from '../support/server.ts';

test('observe.otlp sends a request and its upstream calls to a collector, in the trace of its client', async () => {
  using collector = startCollector();
  await using upstream = await startUpstream({
    keys: { bad: refusal(429, {}, { 'retry-after': '600' }), good: chatStream('ok') },
  });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  {
    const options = { upstream, keys: inOrder('bad', 'good'), sections: { observe: { otlp: collector.url } } };
    await using rotator = await startRotator(options);
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    expect(await (await rotator.stream({}, { headers })).text()).toContain('[DONE]');
  }
  expect(new Set(collector.spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
  const [root, first, second] = [...collector.spans].sort((a, b) => a.kind - b.kind || a.startMs - b.startMs);
  expect(root).toMatchObject({ name: 'chat mock/m', attributes: { 'rotator.client': 'test', 'rotator.attempts': 2 } });
  expect(first).toMatchObject({ isError: true, attributes: { 'http.response.status_code': 429 } });
  expect(second).toMatchObject({ isError: false, attributes: { 'http.response.status_code': 200 } });
  expect(second?.startMs).toBeGreaterThanOrEqual(first?.endMs ?? Number.NaN);
  expect(second?.endMs).toBeLessThanOrEqual(root?.endMs ?? Number.NaN);
  // The header is the client's own business with this server.
  expect(upstream.calls.map(({ headers }) => headers.get('traceparent'))).toEqual([null, null]);
});
