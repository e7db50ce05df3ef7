import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { isMultipart, MultipartForm } from '../../src/shared/multipart.ts';

const TYPE = 'multipart/form-data; boundary=XX';
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (form: Uint8Array) => new TextDecoder().decode(form);
const part = (name: string, content: string, more = '') =>
  `--XX\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${content}\r\n`;

/** A form as the platform writes it. */
async function written(form: FormData): Promise<{ readonly body: Uint8Array; readonly type: string }> {
  const response = new Response(form);
  const type = response.headers.get('content-type') ?? '';
  return { body: await response.bytes(), type };
}

describe('a multipart form', () => {
  test('gives a field by its name, and puts another content in its place without touching the rest', () => {
    const before = `${part('file', '\u0000--XY\r\n--X', '; filename="a.mp3"')}${part('model', 'mock/whisper')}`;
    const after = `${part('prompt', '')}--XX--\r\n`;
    const form = MultipartForm.of(bytes(before + after), TYPE);
    expect(form?.get('model')).toBe('mock/whisper');
    expect(form?.get('prompt')).toBe('');
    expect(form?.get('nothing')).toBeUndefined();
    expect(text(form?.with('model', 'w') ?? bytes(''))).toBe(before.replace('mock/whisper', 'w') + after);
  });

  test('changes every field of the name, so that none smuggles the old value past', () => {
    const form = MultipartForm.of(bytes(`${part('model', 'a')}${part('model', 'b')}--XX--`), TYPE);
    expect(form?.get('model')).toBe('b');
    expect(text(form?.with('model', 'c') ?? bytes(''))).toBe(`${part('model', 'c')}${part('model', 'c')}--XX--`);
  });

  test('is not fooled by what looks like a field inside a file name, or by a preamble', () => {
    const odd = part('file', 'x', '; filename="a; name=\\"model\\"; b"');
    const form = MultipartForm.of(bytes(`hello\r\n${odd}${part('model', 'real')}--XX--\r\nbye`), TYPE);
    expect(form?.get('model')).toBe('real');
    expect(form?.get('file')).toBe('x');
  });

  test('knows unquoted names, other cases and a quoted boundary', () => {
    const body = '--X X\r\ncontent-type: text/plain\r\nCONTENT-DISPOSITION: form-data; name=model\r\n\r\nm\r\n--X X--';
    expect(MultipartForm.of(bytes(body), 'Multipart/Form-Data; charset=utf-8; boundary="X X"')?.get('model')).toBe('m');
  });

  test.each([
    ['no boundary', 'multipart/form-data', `${part('a', 'b')}--XX--`],
    ['another boundary', 'multipart/form-data; boundary=YY', `${part('a', 'b')}--XX--`],
    ['no end', TYPE, part('a', 'b')],
    ['a part without headers', TYPE, '--XX\r\nb\r\n--XX--'],
    ['nothing', TYPE, ''],
    ['endless parts', TYPE, `${part('a', 'b').repeat(1001)}--XX--`],
  ])('is none with %s', (_, type, body) => {
    expect(MultipartForm.of(bytes(body), type)).toBeNull();
  });

  test('is told from other content types', () => {
    expect(isMultipart('multipart/form-data; boundary=x')).toBe(true);
    expect(isMultipart('multipart/form-data-not')).toBe(false);
    expect(isMultipart('application/json')).toBe(false);
  });

  test('that the platform has written is read and changed as the platform reads it', async () => {
    const name = fc.constantFrom('model', 'file', 'prompt', 'a"b', 'ü');
    const value = fc.oneof(fc.string(), fc.uint8Array({ maxLength: 200 }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 6 }), fc.string(), async (fields, model) => {
        const form = new FormData();
        form.append('model', 'old');
        for (const [key, content] of fields) {
          if (typeof content === 'string') form.append(key, content);
          else form.append(key, new Blob([Buffer.from(content)]), 'a name="model".bin');
        }
        const { body, type } = await written(form);
        const read = MultipartForm.of(body, type);
        const changed = read?.with('model', model) ?? new Uint8Array();
        const again = await new Response(Buffer.from(changed), { headers: { 'content-type': type } }).formData();
        expect(await Promise.all(again.getAll('model').map(contentOf))).toEqual(
          form.getAll('model').map(() => Buffer.from(model).toString('hex')),
        );
        for (const key of ['file', 'prompt', 'ü']) {
          expect(await Promise.all(again.getAll(key).map(contentOf))).toEqual(
            await Promise.all(form.getAll(key).map(contentOf)),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  test('of any bytes at all is read or refused, and never hangs', () => {
    const piece = fc.constantFrom(
      '--XX',
      '\r\n',
      '\r\n\r\n',
      '--',
      'content-disposition: form-data; name="model"',
      'x',
      '"',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const form = MultipartForm.of(bytes(pieces.join('')), TYPE);
        expect(form === null || form.with('model', 'm').length > 0).toBe(true);
      }),
    );
  });
});

const contentOf = async (value: string | Blob): Promise<string> =>
  (typeof value === 'string' ? Buffer.from(value) : Buffer.from(await value.arrayBuffer())).toString('hex');
