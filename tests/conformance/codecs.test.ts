// One suite for every codec in the registry: what is said in neutral words is still said after a way through its format.
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { codecs } from '../../src/protocols/index.ts';
import { plainRequest, read, write } from './protocol-lane.ts';
import { aspects } from './request-aspects.ts';
import { requestSkips } from './request-skips.ts';

const RUNS = { numRuns: 25 };

describe.each(codecs.map((codec) => [codec.id, codec] as const))('a request in %s', (id, codec) => {
  const skips = requestSkips[id];

  for (const aspect of aspects) {
    const skip = skips[aspect.name];
    const claim = !skip ? 'carries' : 'lost' in skip ? 'warns of the loss of' : 'says in other words';
    test(`${claim} ${aspect.name}${skip ? ` (${skip.reason})` : ''}`, () => {
      fc.assert(
        fc.property(aspect.arbitrary(id), (change) => {
          const request = { ...plainRequest, ...change };
          const written = write(codec, request);
          const again = read(codec, written.value.body);
          const warnings = [...written.warnings, ...again.warnings];
          const before = aspect.view(request);
          const after = aspect.view(again.value);
          if (!skip) {
            expect(after).toEqual(before);
            // Nothing else is told either, but for content that stands at another place.
            expect(warnings.filter((warning) => !/ moved into /.test(warning))).toEqual([]);
          } else if ('lost' in skip) {
            expect(warnings.some((warning) => skip.lost.test(warning))).toBe(true);
            // Whoever could carry it after all does not belong in the table.
            expect(after).not.toEqual(before);
          } else {
            expect(after).toEqual(skip.becomes(request));
            expect(warnings).toEqual([]);
          }
        }),
        RUNS,
      );
    });
  }

  test('skips nothing that nobody asks for', () => {
    const known = new Set(aspects.map(({ name }) => name));
    expect(Object.keys(skips).filter((name) => !known.has(name))).toEqual([]);
  });
});
