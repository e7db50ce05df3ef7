import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Due, DueHeap } from '../../src/pool/due-heap.ts';
import { SlotSet } from '../../src/pool/slot-set.ts';

test('the heap hands out owners by their last moment, whatever was set before', () => {
  const step = fc.record({ owner: fc.nat(7), at: fc.oneof(fc.nat(30), fc.constant(Number.POSITIVE_INFINITY)) });
  fc.assert(
    fc.property(fc.array(fc.oneof(step, fc.record({ now: fc.nat(30) })), { maxLength: 300, size: 'max' }), (steps) => {
      const owners = Array.from({ length: 8 }, (): Due => ({ dueAt: Number.POSITIVE_INFINITY }));
      const model = new Map<Due, number>();
      const heap = new DueHeap<Due>();
      for (const one of steps) {
        if ('now' in one) {
          const owner = heap.take(one.now);
          const soonest = Math.min(Number.POSITIVE_INFINITY, ...model.values());
          if (soonest > one.now) expect(owner).toBeUndefined();
          else {
            expect(owner && model.get(owner)).toBe(soonest);
            if (owner) model.delete(owner);
          }
        } else {
          const owner = owners[one.owner];
          if (!owner) continue;
          heap.set(owner, one.at);
          if (one.at === Number.POSITIVE_INFINITY) model.delete(owner);
          else model.set(owner, one.at);
        }
        expect(heap.next()).toBe(Math.min(Number.POSITIVE_INFINITY, ...model.values()));
      }
    }),
  );
});

test('a slot set is a set, and its positions are its members', () => {
  const step = fc.record({ slot: fc.nat(9), action: fc.constantFrom('add', 'delete', 'add', 'delete', 'fill') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const set = new SlotSet(10);
      const model = new Set<number>();
      for (const { slot, action } of steps) {
        if (action === 'add') {
          set.add(slot);
          model.add(slot);
        } else if (action === 'delete') {
          set.delete(slot);
          model.delete(slot);
        } else {
          set.fill();
          for (let i = 0; i < 10; i++) model.add(i);
        }
        expect(set.size).toBe(model.size);
        const members = Array.from({ length: set.size }, (_, position) => set.at(position));
        expect(members.sort()).toEqual([...model].sort());
        for (let i = 0; i < 10; i++) expect(set.has(i)).toBe(model.has(i));
      }
    }),
  );
});
