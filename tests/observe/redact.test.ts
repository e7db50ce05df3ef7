import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createLog } from '../../src/observe/log.ts';
import { redact } from '../../src/observe/redact.ts';
import { Secret } from '../../src/shared/secret.ts';

describe('redaction', () => {
  const rows: Record<string, [text: string, expected: string]> = {
    'keeps what says which kind of key it was': [
      'Incorrect API key provided: sk-proj-abcdEFGH12345678. See',
      'Incorrect API key provided: sk-proj-***. See',
    ],
    'takes a key that was masked halfway': ['key sk-pr*****************wxyz.', 'key sk-***.'],
    'takes a bearer token': ['sent Bearer abcdef0123456789', 'sent Bearer ***'],
    'leaves a sentence about bearer tokens': [
      'Bearer authentication is required, bearer token missing',
      'Bearer authentication is required, bearer token missing',
    ],
    'takes any value of an authorization header': ['Authorization: Bearer abc', 'Authorization: Bearer ***'],
    'takes it without a scheme': ['"authorization":"abc"', '"authorization":"***"'],
    'takes credentials out of a URL': ['http://user:p@ss:w@proxy:8080/x', 'http://***@proxy:8080/x'],
    'takes keys out of a query': [
      'GET /v1?key=abc123&alt=sse&access_token=x.y',
      'GET /v1?key=***&alt=sse&access_token=***',
    ],
    'takes quoted fields whole': ['{"api_key": "a b c", "model":"m"}', '{"api_key": "***", "model":"m"}'],
    'takes fields of JSON inside JSON': ['{\\"client_secret\\":\\"abc\\"}', '{\\"client_secret\\":\\"***\\"}'],
    'takes plain fields that look like keys': ['api key: 0123abcdef, password=hunter2!', 'api key: ***, password=***'],
    'leaves plain fields that look like words': [
      'api key: invalid. secret: missing',
      'api key: invalid. secret: missing',
    ],
    'takes a JWT': ['id eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end', 'id eyJ*** end'],
    'shortens an e-mail address': [
      'account john.doe+x@mail.example.co.uk is over quota',
      'account jo…@ma….uk is over quota',
    ],
    'leaves model names': [
      'groq/llama-3.3-70b-versatile @cf/meta/llama gpt-4o@latest',
      'groq/llama-3.3-70b-versatile @cf/meta/llama gpt-4o@latest',
    ],
    'leaves words that begin alike': [
      'task-management-systems risk-assessment-report',
      'task-management-systems risk-assessment-report',
    ],
    'leaves numbers of tokens': ['max_tokens=4096, total tokens: 123456', 'max_tokens=4096, total tokens: 123456'],
    'leaves names of a program': [
      'sk_learn_pipeline_of_the_second_step rt_polarity_dataset_v2_balanced fw_forward_pass_kernel_16x16',
      'sk_learn_pipeline_of_the_second_step rt_polarity_dataset_v2_balanced fw_forward_pass_kernel_16x16',
    ],
    'leaves ids of calls, requests and answers': [
      'call_abc123DEF456ghi789JKL toolu_01A09q90qw90lq917835lq9 chatcmpl-9x8y7z6w5v4u3t2s1r0q msg_01XFDUDYJgAACzvnptvVoYEL req_018EeWyXxfu5pfWkrYcMdjWG',
      'call_abc123DEF456ghi789JKL toolu_01A09q90qw90lq917835lq9 chatcmpl-9x8y7z6w5v4u3t2s1r0q msg_01XFDUDYJgAACzvnptvVoYEL req_018EeWyXxfu5pfWkrYcMdjWG',
    ],
    'leaves hashes': [
      'sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.',
      'sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.',
    ],
    'leaves short texts': ['sk-', 'sk-'],
  };
  for (const [name, [text, expected]] of Object.entries(rows)) {
    test(name, () => {
      expect(redact(text)).toBe(expected);
      expect(redact(expected)).toBe(expected);
    });
  }

  test('removes given secrets, whatever they look like', () => {
    const secrets = [new Secret('plainword'), new Secret('abc')];
    expect(redact('the plainword is abc and plainword', secrets)).toBe('the *** is abc and ***');
  });
});

const alnum = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'];
const body = (length: number, more = '') =>
  fc.string({ unit: fc.constantFrom(...alnum, ...more), minLength: length, maxLength: length + 20 });

/** Every known shape, as prefix and length. */
const shapes: Record<string, fc.Arbitrary<[prefix: string, body: string]>> = {
  openai: fc.tuple(fc.constantFrom('sk-', 'sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-None-'), body(20, '_-')),
  anthropic: fc.tuple(
    fc.constantFrom('sk-ant-api03-', 'sk-ant-oat01-', 'sk-ant-ort01-', 'sk-ant-admin01-'),
    body(80, '_-'),
  ),
  openrouter: fc.tuple(fc.constant('sk-or-v1-'), body(64)),
  deepseek: fc.tuple(fc.constant('sk-'), body(32)),
  own: fc.tuple(fc.constant('sk-rotator-'), body(24)),
  gemini: fc.tuple(fc.constant('AIza'), body(35, '_-')),
  googleAuthKey: fc.tuple(fc.constant('AQ.Ab'), body(40, '_-')),
  googleAccess: fc.tuple(fc.constant('ya29.'), body(40, '_-')),
  googleRefresh: fc.tuple(fc.constant('1//0'), body(40, '_-')),
  groq: fc.tuple(fc.constant('gsk_'), body(52)),
  huggingface: fc.tuple(fc.constant('hf_'), body(34)),
  nvidia: fc.tuple(fc.constant('nvapi-'), body(60, '_-')),
  cerebras: fc.tuple(fc.constant('csk-'), body(48)),
  chutes: fc.tuple(fc.constant('cpk_'), body(32)),
  xai: fc.tuple(fc.constant('xai-'), body(80)),
  perplexity: fc.tuple(fc.constant('pplx-'), body(48)),
  replicate: fc.tuple(fc.constant('r8_'), body(37)),
  github: fc.tuple(fc.constantFrom('ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_', 'github_pat_'), body(36)),
  aws: fc.tuple(fc.constantFrom('AKIA', 'ASIA'), body(16)),
  bedrock: fc.tuple(fc.constant('ABSK'), body(100)),
  googleClientSecret: fc.tuple(fc.constant('GOCSPX-'), body(28, '_-')),
  together: fc.tuple(fc.constant('tgp_v1_'), body(43, '_-')),
  langsmith: fc.tuple(fc.constantFrom('lsv2_pt_', 'lsv2_sk_'), body(32)),
  anyscale: fc.tuple(fc.constant('esecret_'), body(26)),
  slack: fc.tuple(fc.constantFrom('xoxb-', 'xoxp-'), body(24, '-')),
  session: fc.tuple(fc.constant('sess-'), body(40)),
  stripe: fc.tuple(fc.constantFrom('sk_live_', 'sk_test_'), body(24)),
  kimi: fc.tuple(fc.constant('sk-kimi-'), body(48)),
  // Random enough to hold a digit early; one without would be a word.
  underscored: fc.tuple(
    fc.constantFrom('fw_', 'jina_', 'vck_', 'flp_', 'rt_', 'sk_', 'rc_'),
    fc.tuple(body(3), body(24)).map(([start, rest]) => `${start.slice(0, 3)}7${rest}`),
  ),
  zhipu: fc.tuple(
    fc.constant(''),
    fc
      .tuple(fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 }), body(16))
      .map(([id, secret]) => `${id}.${secret.slice(0, 16)}`),
  ),
  copilot: fc.tuple(
    fc.constant('tid='),
    fc
      .tuple(fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 }), body(40))
      .map(([id, signature]) => `${id};exp=1700000000;sku=free;8kp=1:${signature}`),
  ),
  bearer: fc.tuple(
    fc.constantFrom('Bearer ', 'bearer '),
    body(20, '_~+/').map((text) => `${text}7`),
  ),
  header: fc.tuple(
    fc.constantFrom('x-api-key: ', 'x-goog-api-key: ', 'Authorization: ', 'Authorization: Bearer '),
    body(20),
  ),
  json: fc.tuple(fc.constantFrom('"api_key":"', '"token":"sk-', '"access_token": "', '"password":"'), body(20)),
  query: fc.tuple(fc.constantFrom('?key=', '&api_key=', '?access_token=', '&X-Goog-Signature='), body(20)),
  url: fc
    .tuple(fc.constantFrom('https://user:', 'socks5://u:'), body(20))
    .map(([before, text]) => [before, `${text}@`]),
};

const around = fc.constantFrom(
  '',
  ' ',
  'key=',
  '"',
  "'",
  '(',
  '\n',
  'provided: ',
  'https://host/?x=1&key=',
  ', ',
  'é',
  '[',
  '=',
);
const behind = fc.constantFrom('', ' ', '"', "'", ')', '\n', '. You can', ',', '&b=1', 'é', ']', '}');

describe('no known key survives', () => {
  for (const [name, shape] of Object.entries(shapes)) {
    test(name, () => {
      fc.assert(
        fc.property(around, shape, behind, (before, [prefix, secret], after) => {
          const text = before + prefix + secret + after;
          const once = redact(text);
          expect(once).not.toContain(secret.replace(/@$/, ''));
          expect(once).toContain('***');
          expect(redact(once)).toBe(once);
        }),
        { numRuns: 200 },
      );
    });
  }
});

describe('no known key reaches a log line', () => {
  const write = (text: string, format: 'json' | 'pretty'): string => {
    const lines: string[] = [];
    const log = createLog({ level: 'debug', format, write: (line) => lines.push(line) });
    log.warn(`upstream said ${text}`, { error: new Error(text), nested: { list: [text] }, text });
    return lines.join('\n');
  };
  for (const [name, shape] of Object.entries(shapes)) {
    test(name, () => {
      fc.assert(
        fc.property(
          around,
          shape,
          behind,
          fc.constantFrom('json', 'pretty'),
          (before, [prefix, secret], after, format) => {
            expect(write(before + prefix + secret + after, format)).not.toContain(secret.replace(/@$/, ''));
          },
        ),
        { numRuns: 40 },
      );
    });
  }
});

test('redacting twice changes nothing more, whatever the text', () => {
  const piece = fc.oneof(
    fc.constantFrom(...'*@.:/?&="\' -…'),
    fc.constantFrom(
      'sk-',
      'sk-proj-',
      'rt_7',
      'tid=',
      'eyJ',
      'bearer ',
      'Authorization:',
      'api_key',
      '://',
      '***',
      'token=',
      'gsk_',
      'a@b.cc',
      'AIza',
      '1//0',
    ),
    body(3),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const once = redact(pieces.join(''));
      expect(redact(once)).toBe(once);
    }),
    { numRuns: 5000 },
  );
});

test('a long text of any kind is done in linear time', () => {
  const units = [
    'a',
    'sk-',
    'eyJ',
    'eyJa.',
    '://',
    '://a@',
    '@',
    'a@',
    'a.',
    'aaa@bb',
    'bearer ',
    '?key',
    '&a-',
    'authorization',
    'api_key',
    'api_key    ',
    '"',
    '1//0',
    'token=',
    'é',
    '-',
    'rt_',
    'rt_a',
    'tid=00000000;a=',
    '0123456789abcdef0123456789abcdef.',
    'f',
  ];
  // Quadratic patterns would take minutes here; the runner's own time limit is the assertion.
  for (const unit of units) for (const start of ['', '@ sk- ']) redact(start + unit.repeat(300_000 / unit.length));
});
