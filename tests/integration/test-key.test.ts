import { expect, test } from 'bun:test';
import { answer, refusal, startUpstream } from '../support/scripted-upstream.ts';
import { startRotator } from '../support/server.ts';

const unknownKey = refusal(401, { message: 'User not found.', code: 401 });

test('a vendor whose model list is public is asked for one token: a list read with a wrong key proves nothing', async () => {
  await using upstream = await startUpstream({ keys: { wrong: unknownKey, right: answer('pong') } });
  await using rotator = await startRotator({
    providers: { openrouter: { base_url: upstream.baseUrl, keys: ['wrong', 'right'] } },
  });
  const [wrong, right] = await rotator.keys();
  const testOf = async (id: string | undefined) => (await rotator.admin(`keys/${id}/test`, { method: 'POST' })).json();
  expect(await testOf(wrong?.id)).toMatchObject({ ok: false, status: 401, result: 'key-rejected' });
  expect(await testOf(right?.id)).toMatchObject({ ok: true, status: 200, result: 'ok' });
});
