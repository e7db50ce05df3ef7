import type { Secret } from '../shared/secret.ts';

const MASK = '***';

/**
 * Text without what looks like a key, a token, a password or an e-mail address: for upstream messages and log fields.
 * Prefixes stay, so that a reader sees what kind of key it was. Redacting twice changes nothing more, and the time is
 * linear: every pattern begins at a fixed word or at the start of a run, so no text is scanned again and again.
 *
 * `secrets` are removed wherever they stand, whatever they look like: some vendors' keys have no shape of their own.
 */
export function redact(text: string, secrets: readonly Secret[] = []): string {
  let out = text;
  for (const secret of secrets) {
    const value = secret.reveal();
    // A very short one would tear words apart, and hides nothing.
    if (value.length >= 6) out = out.replaceAll(value, MASK);
  }
  // A mask can bare the start of a word that was none before, so one look more; it is only ever needed for nonsense.
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = out;
    out = redactOnce(before);
    if (out === before) break;
  }
  return out;
}

function redactOnce(text: string): string {
  const hasAt = text.includes('@');
  if (!hasAt && (text.length < SHORTEST || !SUSPICIOUS.test(text))) return text;
  // Addresses first: the masks of the others are no part of one.
  let out = hasAt ? withoutEmails(text) : text;
  for (const [pattern, replacement] of PATTERNS) out = out.replace(pattern, replacement);
  return out;
}

// `cpk_` and eight characters; only addresses are shorter.
const SHORTEST = 11;
const MAX_ROUNDS = 5;

/** How keys begin, and how many characters follow at least. */
const SHAPES: readonly (readonly [prefix: string, min: number])[] = [
  ['(?:sk|pk|rk)-(?:ant-(?:(?:api|oat|ort|admin)\\d\\d-)?|or-(?:v\\d-)?|proj-|svcacct-|admin-|None-|rotator-)?', 8],
  ['AIza', 12],
  ['AQ\\.Ab', 12],
  ['ya29\\.', 8],
  ['1\\/\\/0', 12],
  ['gsk_', 8],
  ['hf_', 8],
  ['nvapi-', 8],
  ['csk-', 8],
  ['cpk_', 8],
  ['xai-', 16],
  ['pplx-', 16],
  ['r8_', 16],
  ['gh[opsur]_', 16],
  ['github_pat_', 16],
  ['glpat-', 12],
  ['A[KS]IA', 12],
  ['ABSK', 20],
  ['GOCSPX-', 12],
  ['tgp_v1_', 12],
  ['lsv2_(?:pt|sk)_', 12],
  ['esecret_', 16],
  ['xox[abeprs]-', 10],
  ['sess-', 24],
  ['sk_(?:live|test)_', 12],
  // Words of a program begin so, too: a key has a digit before any further underscore.
  [`(?:sk|rt|fw|jina|vck|flp|dop|rc)_(?=[A-Za-z]{0,19}[0-9])`, 20],
];

/** One look that tells of most texts that they hold nothing of the kind. */
const SUSPICIOUS = new RegExp(
  `${SHAPES.map(([prefix]) => prefix).join('|')}|eyJ|[0-9a-f]{32}\\.|tid=|bearer|basic|[?&][\\w.-]*=|authorization|api[-_ ]?key|token|secret|passw|cookie`,
  'i',
);

/** What keys are made of. Stars too, so that a key that a vendor has masked halfway goes as a whole. */
const BODY = '[A-Za-z0-9_*-]';

/**
 * `prefix` at the start of a word, then at least `min` characters of key. The lookahead with its back reference never
 * gives a part of the prefix back: else `sk-proj-***` would be taken for `sk-` and a key that begins with `proj-`.
 */
function shaped(prefix: string, min: number): readonly [RegExp, string] {
  return [new RegExp(`(?<![A-Za-z0-9])(?=(${prefix}))\\1${BODY}{${min},}`, 'g'), `$1${MASK}`];
}

const SECRET_NAMES =
  '(?:x-)?(?:goog-)?(?:api[-_ ]?key|auth[-_]?token|access[-_]?token|refresh[-_]?token|id[-_]?token|session[-_]?token|client[-_]?secret|secret|password|passwd|(?:set-)?cookie)';

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // Credentials in a URL: up to the last @ before the path, since a password may hold one that was not escaped.
  [/(:\/\/)[^\s/?#"'<>\\]{0,2000}@/g, `$1${MASK}@`],
  [
    /(?<![A-Za-z0-9])([Bb]earer|BEARER|[Bb]asic|BASIC)(\s{1,4})(?=[a-z.-]{0,40}[0-9+/_~=*A-Z]|[a-z.-]{20})[A-Za-z0-9+/_~.=*-]{8,}/g,
    `$1$2${MASK}`,
  ],
  // A header that carries nothing else.
  [
    /((?:proxy-)?authorization\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?(?:(?:bearer|basic|token|digest|apikey)\s{1,4})?)[^\s"',;}\\]+/gi,
    `$1${MASK}`,
  ],
  // Quoted, as in JSON: the whole value.
  [new RegExp(`((?<!\\w)${SECRET_NAMES}\\\\?["']\\s{0,4}[:=]\\s{0,4}\\\\?["'])[^"'\\\\]+`, 'gi'), `$1${MASK}`],
  // Unquoted: only what does not look like a word of a sentence.
  [
    new RegExp(
      `((?<!\\w)${SECRET_NAMES}\\s{0,4}[:=]\\s{0,4})(?=[^\\s"',;&}]{0,40}[0-9_+/=*~-]|[^\\s"',;&}]{16})[^\\s"',;&}\\\\]{4,}`,
      'gi',
    ),
    `$1${MASK}`,
  ],
  // Query parameters.
  [
    /([?&](?:[\w.-]{0,40}[-_.])?(?:key|apikey|token|secret|password|passwd|pwd|sig|signature|auth|code|credential)=)[^&\s"'<>#\\]+/gi,
    `$1${MASK}`,
  ],
  // Zhipu's: an id and its secret.
  [/(?<![A-Za-z0-9])[0-9a-f]{32}\.[A-Za-z0-9]{16}(?![A-Za-z0-9])/g, MASK],
  // GitHub Copilot's: what it is good for and until when, with a signature at the end.
  [/(?<![A-Za-z0-9])(tid=)[0-9a-f]{8,}(?:;[\w.-]{1,40}=[^;\s"']{0,200}){1,40}/g, `$1${MASK}`],
  // A JWT, or an encrypted one.
  [/(?<![A-Za-z0-9_-])(eyJ)[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}/g, `$1${MASK}`],
  ...SHAPES.map(([prefix, min]) => shaped(prefix, min)),
];

/** `john.doe@example.com` → `jo…@ex….com` */
const EMAIL =
  /(?<![\p{L}\p{N}._%+-])([\p{L}\p{N}._%+-]+)@([\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*)\.(\p{L}{2,24})(?![\p{L}\p{N}@-])/gu;

function withoutEmails(text: string): string {
  return text.replace(
    EMAIL,
    (_, name: string, domain: string, end: string) => `${name.slice(0, 2)}…@${domain.slice(0, 2)}….${end}`,
  );
}
