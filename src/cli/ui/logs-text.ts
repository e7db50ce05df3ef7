import type { RequestView } from '../../gateway/operations.ts';
import { compact, dollars } from './amounts.ts';
import type { Paint } from './colour.ts';
import { flow } from './flow.ts';
import type { Glyphs } from './glyphs.ts';
import { elapsed } from './human-time.ts';
import { plainName, plainText } from './plain-text.ts';

export type LogsView = {
  readonly paint: Paint;
  readonly glyphs: Glyphs;
  readonly maxColumns: number | null;
};

/** One request in one line, in more where it is narrow; its columns stand under those of any other line. */
export function requestLineText(request: RequestView, { paint, glyphs, maxColumns }: LogsView): string {
  const { model, target, failure } = request;
  const asked = plainName(model ?? glyphs.unknown);
  const served = target === null || target === model ? asked : `${asked} > ${plainName(target)}`;
  const pieces = [
    paint.dim(localTime(request.at)),
    statusText(request, paint),
    elapsed(request.total_ms).padStart(6),
    tokensText(request, glyphs).padEnd(15),
    dollars(request.cost_usd, glyphs.unknown).padEnd(8),
    plainText(request.client ?? glyphs.unknown).padEnd(10),
    served,
    failure === null ? '' : paint.yellow(failure),
    request.attempts.length > 1 ? `${request.attempts.length} attempts` : '',
    paint.dim(plainText(request.id)),
  ];
  // What comes last, why it failed and what it is called, is what a person looks for: it is not cut off.
  return flow(pieces, { maxColumns, separator: '  ', lead: '', indent: '    ' });
}

/** One request with all that is known of it. `files`: where its bodies are; null: nowhere. */
export function requestText(request: RequestView, files: string | null, { paint, glyphs }: LogsView): string {
  const { unknown } = glyphs;
  const fields: readonly (readonly [name: string, value: string | null])[] = [
    ['at', request.at],
    ['client', plainText(request.client ?? unknown)],
    ['model', plainText(request.model ?? unknown)],
    ['target', request.target === null ? unknown : `${plainText(request.target)}${credentialText(request)}`],
    ['kind', request.stream ? 'stream' : 'whole answer'],
    [
      'times',
      [
        `queue ${elapsed(request.queue_ms)}`,
        request.first_byte_ms === null ? '' : `first byte ${elapsed(request.first_byte_ms)}`,
        `total ${elapsed(request.total_ms)}`,
        `overhead ${request.overhead_ms} ms`,
      ]
        .filter((text) => text !== '')
        .join(', '),
    ],
    ['tokens', tokensText(request, glyphs)],
    ['cost', dollars(request.cost_usd, unknown)],
    ['files', files],
  ];
  const lines = [
    `${paint.bold(plainText(request.id))} ${statusText(request, paint)}${request.failure === null ? '' : ` ${paint.yellow(request.failure)}`}`,
    ...fields.flatMap(([name, value]) => (value === null ? [] : [`  ${paint.dim(name.padEnd(7))} ${value}`])),
    ...(request.attempts.length === 0 ? [] : ['', 'attempts']),
    ...request.attempts.flatMap(({ target, credential, status, failure, ms, error }, i) => [
      `  ${i + 1}. ${plainText(target)} with ${credential}: ${failure === null ? paint.green('served') : paint.yellow(failure)} (${status ?? unknown}, ${elapsed(ms)})`,
      ...(error === null ? [] : [`     ${paint.dim(plainText(error))}`]),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

const credentialText = ({ credential }: RequestView) => (credential === null ? '' : ` with ${credential}`);

function statusText({ status, failure }: RequestView, paint: Paint): string {
  if (failure === null) return paint.green(String(status));
  return status >= 500 || status === 200 ? paint.red(String(status)) : paint.yellow(String(status));
}

function tokensText(request: RequestView, { unknown }: Glyphs): string {
  const { input_tokens: input, output_tokens: output, cached_tokens: cached } = request;
  if (input === null && output === null) return unknown;
  const part = cached === null || cached === 0 ? '' : ` (${compact(cached)} cached)`;
  return `${input === null ? unknown : compact(input)} in${part} ${output === null ? unknown : compact(output)} out`;
}

/** `01-31 12:05:09`, in the reader's own zone. */
function localTime(iso: string): string {
  const time = new Date(iso);
  const two = (part: number) => String(part).padStart(2, '0');
  const day = `${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
