import { describe, expect, test } from 'bun:test';
import { itemIds, type KeptResponse, MemoryResponses, readKept } from '../../src/gateway/response-store.ts';
import { openStore } from '../../src/store/database.ts';
import { ManualClock } from '../support/manual-clock.ts';

const limits = { ttlMs: 1000, maxBytes: 4000 };
const kept = (text: string) => ({ response: { id: text }, input: [{ type: 'message', content: text }] });

/** The same promises, in memory and in the database. */
const stores = {
  memory: (clock: ManualClock) =>
    new MemoryResponses(
      () => limits,
      () => clock.now(),
    ),
  disk: (clock: ManualClock) => {
    const { responses } = openStore(':memory:', { clock });
    return {
      find: (client: string, id: string) => {
        const json = responses.find(client, id, limits.ttlMs);
        return json === null ? null : readKept(json);
      },
      findByItem: (client: string, item: string) => {
        const json = responses.findByItem(client, item, limits.ttlMs);
        return json === null ? null : readKept(json);
      },
      keep: (client: string, id: string, value: KeptResponse) =>
        responses.keep(client, id, JSON.stringify(value), itemIds(value), limits),
      remove: (client: string, id: string) => responses.remove(client, id),
    };
  },
};

describe.each(Object.entries(stores))('answers kept in %s', (_name, open) => {
  test('are found by their client alone, until they are removed', () => {
    const store = open(new ManualClock());
    store.keep('a', 'resp_1', kept('one'));
    expect(store.find('a', 'resp_1')).toEqual(kept('one'));
    expect(store.find('b', 'resp_1')).toBeNull();
    expect(store.remove('b', 'resp_1')).toBe(false);
    expect(store.remove('a', 'resp_1')).toBe(true);
    expect(store.find('a', 'resp_1')).toBeNull();
    expect(store.remove('a', 'resp_1')).toBe(false);
  });

  test('are found by what they said, as long as they are kept', () => {
    const store = open(new ManualClock());
    const said = (text: string) => ({ ...kept(text), response: { id: text, output: [{ id: `msg_${text}` }, {}] } });
    store.keep('a', 'resp_1', said('one'));
    store.keep('a', 'resp_2', said('two'));
    expect(store.findByItem('a', 'msg_two')).toEqual(said('two'));
    expect(store.findByItem('b', 'msg_two')).toBeNull();
    expect(store.remove('a', 'resp_2')).toBe(true);
    expect(store.findByItem('a', 'msg_two')).toBeNull();
    expect(store.findByItem('a', 'msg_one')).toEqual(said('one'));
  });

  test('are replaced under the same id', () => {
    const store = open(new ManualClock());
    store.keep('a', 'resp_1', kept('one'));
    store.keep('a', 'resp_1', kept('two'));
    expect(store.find('a', 'resp_1')).toEqual(kept('two'));
  });

  test('are forgotten some time after their last use', async () => {
    const clock = new ManualClock();
    const store = open(clock);
    store.keep('a', 'used', kept('one'));
    store.keep('a', 'unused', kept('two'));
    await clock.advance(600);
    expect(store.find('a', 'unused')).not.toBeNull();
    await clock.advance(1000);
    expect(store.find('a', 'used')).toBeNull();
    expect(store.find('a', 'unused')).toBeNull();
  });

  test('are bounded in size: the least lately used go first', async () => {
    const clock = new ManualClock();
    const store = open(clock);
    for (let i = 0; i < 5; i++) {
      store.keep('a', `resp_${i}`, kept('x'.repeat(400)));
      await clock.advance(1);
      if (i > 0) store.find('a', 'resp_0');
    }
    expect(store.find('a', 'resp_0')).not.toBeNull();
    expect(store.find('a', 'resp_1')).toBeNull();
    expect(store.find('a', 'resp_4')).not.toBeNull();
  });
});

test('what cannot be read any more is as if it were not there', () => {
  expect(readKept('{"response":')).toBeNull();
});
