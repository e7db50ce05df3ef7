import { type Answer, reply, stream } from './scripted-upstream.ts';

/** Google's Code Assist as its answers look on the wire. */

export const chunk = (parts: readonly object[], more: object = {}): object => ({
  candidates: [{ content: { role: 'model', parts }, index: 0 }],
  modelVersion: 'gemini-scripted',
  ...more,
});

const END = {
  usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 3, totalTokenCount: 10 },
};

/** A whole answer of these parts. */
export const whole = (parts: readonly object[], finishReason = 'STOP'): object => ({
  candidates: [{ content: { role: 'model', parts }, finishReason, index: 0 }],
  modelVersion: 'gemini-scripted',
  ...END,
});

export const said = (text: string): Answer =>
  reply(200, { response: whole([{ text }]), traceId: 'trace-1', remainingCredits: [] });

/** As Google streams: each event's JSON laid out over several `data:` lines. */
export const frame = (response: object): string =>
  `${JSON.stringify({ response, traceId: 'trace-1' }, null, 2)
    .split('\n')
    .map((line) => `data: ${line}`)
    .join('\r\n')}\r\n\r\n`;

export function streamed(...texts: readonly string[]): Answer {
  const last = whole([{ text: texts.at(-1) ?? '' }]);
  return stream([...texts.slice(0, -1).map((text) => frame(chunk([{ text }]))), frame(last)]);
}

const GOOGLE = 'type.googleapis.com/google.rpc.';
const DOMAIN = 'cloudcode-pa.googleapis.com';

export function refused(
  status: number,
  reason: string,
  more: { message?: string; metadata?: object; retryDelay?: string; links?: readonly string[] } = {},
): Answer {
  return reply(status, {
    error: {
      code: status,
      message: more.message ?? `scripted ${reason}`,
      status: { 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 429: 'RESOURCE_EXHAUSTED' }[status] ?? 'UNKNOWN',
      details: [
        { '@type': `${GOOGLE}ErrorInfo`, reason, domain: DOMAIN, metadata: more.metadata ?? {} },
        ...(more.retryDelay ? [{ '@type': `${GOOGLE}RetryInfo`, retryDelay: more.retryDelay }] : []),
        ...(more.links ? [{ '@type': `${GOOGLE}Help`, links: more.links.map((url) => ({ url })) }] : []),
      ],
    },
  });
}
