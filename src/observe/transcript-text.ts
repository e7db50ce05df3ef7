import { Secret } from '../shared/secret.ts';
import { redact } from './redact.ts';
import type { HeaderList, Transcript, TranscriptPart } from './transcript.ts';
import { requestFields } from './request-line.ts';

/** A transcript as files, without secrets. */

export type TranscriptFile = { readonly name: string; readonly text: string };

/** So much is looked at in one go; requests come in between. */
const SLICE = 64 * 1024;
/** A secret's surroundings tell that it is one: a text is only cut where something new begins. */
const CUTS = /[,\n};][^,\n};]*$/;

const SECRET_HEADER = /^(?:proxy-)?authorization$|^(?:set-)?cookie$|api[-_]?key$|token$|secret$|^key$/i;

/** The files one after the other, each when it is asked for. */
export async function* transcriptFiles(
  transcript: Transcript,
  pause: () => Promise<void>,
): AsyncGenerator<TranscriptFile> {
  const secrets = secretsOf(transcript);
  const names = new Map<TranscriptPart, string>();
  const parts: (readonly [stem: string, part: TranscriptPart])[] = [
    ['request', transcript.request],
    ...transcript.attempts.flatMap(({ request, response }, i) => [
      [`attempt-${i + 1}-request`, request] as const,
      [`attempt-${i + 1}-response`, response] as const,
    ]),
    ['response', transcript.response],
  ];
  for (const [stem, part] of parts) {
    if (part.bytes === 0) continue;
    const text = part.text();
    const name = `${stem}.${/^\s*[{[]/.test(text) ? 'json' : 'txt'}`;
    names.set(part, name);
    yield { name, text: await redactSlowly(text, secrets, pause) };
  }
  const { record } = transcript;
  const shownPart = (part: TranscriptPart) => ({ file: names.get(part) ?? null, cut_bytes: part.cut });
  const index = {
    ...(record && { at: new Date(record.at).toISOString(), ...requestFields(record) }),
    request: { headers: shownHeaders(transcript.headers), ...shownPart(transcript.request) },
    upstream: transcript.attempts.map((attempt) => ({
      method: attempt.method,
      url: redact(attempt.url, secrets),
      request: { headers: shownHeaders(attempt.requestHeaders), ...shownPart(attempt.request) },
      status: attempt.status,
      response: { headers: shownHeaders(attempt.responseHeaders), ...shownPart(attempt.response) },
      error: attempt.error === null ? null : redact(attempt.error, secrets),
    })),
    response: shownPart(transcript.response),
  };
  yield { name: 'index.json', text: `${JSON.stringify(index, null, 2)}\n` };
}

const shownHeaders = (headers: HeaderList): Readonly<Record<string, string>> =>
  Object.fromEntries(headers.map(([name, value]) => [name, SECRET_HEADER.test(name) ? '***' : redact(value)]));

/** What was sent as a key is hidden wherever it stands: an upstream may repeat it, and some have no shape of their own. */
function secretsOf({ attempts, headers }: Transcript): readonly Secret[] {
  const sent = [headers, ...attempts.map(({ requestHeaders }) => requestHeaders)].flat();
  const values = sent
    .filter(([name]) => SECRET_HEADER.test(name))
    .map(([, value]) => value.replace(/^(?:bearer|basic|token)\s+/i, '').trim());
  return [...new Set(values)].filter((value) => value !== '').map((value) => new Secret(value));
}

async function redactSlowly(text: string, secrets: readonly Secret[], pause: () => Promise<void>): Promise<string> {
  let out = '';
  for (let at = 0; at < text.length; ) {
    let slice = text.slice(at, at + SLICE);
    if (at + SLICE < text.length) {
      const cut = CUTS.exec(slice)?.index;
      if (cut !== undefined && cut > 0) slice = slice.slice(0, cut + 1);
    }
    out += redact(slice, secrets);
    at += slice.length;
    if (at < text.length) await pause();
  }
  return out;
}
