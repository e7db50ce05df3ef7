import { describe, expect, test } from 'bun:test';
import { greet } from '../../src/transport/socks.ts';
import { TransportError } from '../../src/transport/upstream.ts';

const proxy = { hostname: 'proxy', port: 1080, username: '', password: '' };
const bytes = (...values: number[]) => Uint8Array.from(values);

/** The request that follows when the proxy takes the method it was offered. */
function requestFor(host: string, port: number): number[] {
  const step = greet(proxy, host, port).next(bytes(5, 0));
  return step.kind === 'send' ? [...step.bytes] : [];
}

describe('a SOCKS5 handshake', () => {
  test('offers no password where none is known', () => {
    expect([...greet(proxy, 'h', 1).first]).toEqual([5, 1, 0]);
    expect([...greet({ ...proxy, username: 'u' }, 'h', 1).first]).toEqual([5, 2, 0, 2]);
  });

  test('asks for a name, an IPv4 and an IPv6 address', () => {
    expect(requestFor('ab', 443)).toEqual([5, 1, 0, 3, 2, 97, 98, 1, 187]);
    expect(requestFor('1.2.3.4', 80)).toEqual([5, 1, 0, 1, 1, 2, 3, 4, 0, 80]);
    expect(requestFor('2001:db8::1', 80)).toEqual([
      5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80,
    ]);
    expect(requestFor('::', 80)).toEqual([5, 1, 0, 4, ...Array<number>(16).fill(0), 0, 80]);
    expect(requestFor('::ffff:1.2.3.4', 80)).toEqual([
      5,
      1,
      0,
      4,
      ...Array<number>(10).fill(0),
      255,
      255,
      1,
      2,
      3,
      4,
      0,
      80,
    ]);
  });

  test('sends a user name without a password', () => {
    const step = greet({ ...proxy, username: 'u' }, 'h', 1).next(bytes(5, 2));
    expect(step).toEqual({ kind: 'send', used: 2, bytes: bytes(1, 1, 117, 0) });
  });

  const replies: Record<string, [reply: number[], kind: string, used: number | undefined]> = {
    'is open after an IPv4 answer': [[5, 0, 0, 1, 1, 2, 3, 4, 0, 80], 'open', 10],
    'is open after an IPv6 answer': [[5, 0, 0, 4, ...Array<number>(18).fill(0)], 'open', 22],
    'is open after a name': [[5, 0, 0, 3, 2, 97, 98, 0, 80], 'open', 9],
    'leaves what follows to the caller': [[5, 0, 0, 1, 1, 2, 3, 4, 0, 80, 22, 3], 'open', 10],
    'waits for a head': [[5, 0, 0], 'more', undefined],
    'waits for the length of a name': [[5, 0, 0, 3], 'more', undefined],
    'waits for an address': [[5, 0, 0, 1, 1, 2, 3, 4, 0], 'more', undefined],
    'is refused by a rule': [[5, 2, 0, 1, 0, 0, 0, 0, 0, 0], 'refused', undefined],
    'is refused with an unknown number': [[5, 99], 'refused', undefined],
    'is refused by another protocol': [[72, 84], 'refused', undefined],
  };
  for (const [name, [reply, kind, used]] of Object.entries(replies)) {
    test(name, () => {
      const handshake = greet(proxy, 'h', 1);
      handshake.next(bytes(5, 0));
      const step = handshake.next(Uint8Array.from(reply));
      expect<unknown>([step.kind, 'used' in step ? step.used : undefined]).toEqual([kind, used]);
    });
  }

  test('is refused when no method fits', () => {
    expect(greet(proxy, 'h', 1).next(bytes(5, 0xff))).toMatchObject({ kind: 'refused', code: 'SOCKS_AUTH' });
    expect(greet(proxy, 'h', 1).next(bytes(5, 2))).toMatchObject({ kind: 'refused', code: 'SOCKS_AUTH' });
    expect(greet(proxy, 'h', 1).next(bytes(4, 0))).toMatchObject({ kind: 'refused', code: 'SOCKS_VERSION' });
  });

  test('cannot be asked for names or passwords that do not fit', () => {
    expect(() => greet(proxy, 'a'.repeat(256), 1)).toThrow(TransportError);
    expect(() => greet({ ...proxy, username: 'u'.repeat(256) }, 'h', 1)).toThrow(TransportError);
  });
});
