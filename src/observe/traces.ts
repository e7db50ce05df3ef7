import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { AttemptSummary, RequestRecord } from './request-record.ts';

export type TracesOptions = {
  /** Of the collector: spans go to `/v1/traces` below it. */
  readonly url: string;
  readonly version: string;
  /** Spans could not be sent; the reason, for people. Null: they can be again. */
  readonly onTrouble: (reason: string | null) => void;
};

const EXPORT_TIMEOUT_MS = 5_000;

/**
 * One span for each request and one for each of its upstream calls, made from the record when all is over: nothing is
 * carried along while a request runs. Names are those of OpenTelemetry's conventions for generative AI.
 */
export class Traces {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;

  constructor({ url, version, onTrouble }: TracesOptions) {
    const exporter = new OTLPTraceExporter({ url: tracesUrl(url), timeoutMillis: EXPORT_TIMEOUT_MS });
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'rotator', 'service.version': version }),
      spanProcessors: [new BatchSpanProcessor({ exporter: telling(exporter, onTrouble) })],
    });
    this.#tracer = this.#provider.getTracer('rotator', version);
  }

  finished(record: RequestRecord): void {
    const { operation, model, failure, at } = record;
    const provider = record.target?.slice(0, record.target.indexOf('/'));
    const span = this.#tracer.startSpan(
      [operation, model].filter((part) => part !== null).join(' '),
      {
        kind: SpanKind.SERVER,
        startTime: at,
        attributes: known({
          'gen_ai.operation.name': operation,
          'gen_ai.request.model': model,
          'gen_ai.provider.name': provider,
          'gen_ai.usage.input_tokens': record.inputTokens,
          'gen_ai.usage.output_tokens': record.outputTokens,
          'http.response.status_code': record.status,
          'error.type': failure,
          'rotator.request_id': record.id,
          'rotator.client': record.client,
          'rotator.target': record.target,
          'rotator.credential': record.credential,
          'rotator.stream': record.isStream,
          'rotator.attempts': record.attempts.length,
          'rotator.queue_ms': record.queueMs,
          'rotator.first_byte_ms': record.firstByteMs,
          'rotator.overhead_ms': record.overheadMs,
          'rotator.cost_usd': record.costUsd,
        }),
      },
      parentOf(record.traceParent),
    );
    const within = trace.setSpan(ROOT_CONTEXT, span);
    const endedAt = at + record.totalMs;
    for (const [i, attempt] of record.attempts.entries()) {
      const isLast = i === record.attempts.length - 1;
      this.#attempt(attempt, record, within, isLast && record.isStream ? endedAt : null);
    }
    if (failure !== null && failure !== 'client-gone') span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
    span.end(endedAt);
  }

  /** `endedAt`: of the stream that served, whose time to its first content is all that an attempt knows. */
  #attempt(attempt: AttemptSummary, { at, operation }: RequestRecord, within: Context, endedAt: number | null): void {
    const slash = attempt.target.indexOf('/');
    const model = attempt.target.slice(slash + 1);
    const startTime = at + attempt.startMs;
    const span = this.#tracer.startSpan(
      `${operation} ${model}`,
      {
        kind: SpanKind.CLIENT,
        startTime,
        attributes: known({
          'gen_ai.operation.name': operation,
          'gen_ai.request.model': model,
          'gen_ai.provider.name': attempt.target.slice(0, slash),
          'http.response.status_code': attempt.status,
          'error.type': attempt.failure,
          'rotator.credential': attempt.credential,
        }),
      },
      within,
    );
    if (attempt.failure !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: attempt.failure });
    span.end(Math.max(startTime, endedAt ?? startTime + attempt.ms));
  }

  /** Sends what waits. */
  flush(): Promise<void> {
    return this.#provider.forceFlush();
  }

  /** Sends what waits, and no more. */
  close(): Promise<void> {
    return this.#provider.shutdown();
  }
}

const tracesUrl = (url: string): string => (url.endsWith('/v1/traces') ? url : `${url}/v1/traces`);

/** The client's own span, where it sends W3C's `traceparent`. */
function parentOf(traceParent: string | null): Context {
  const [, traceId, spanId, flags] =
    /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(traceParent ?? '') ?? [];
  if (!traceId || !spanId || !flags) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  });
}

/** Attributes that have a value. */
const known = (attributes: Readonly<Record<string, string | number | boolean | null | undefined>>): Attributes =>
  Object.fromEntries(Object.entries(attributes).flatMap(([name, value]) => (value == null ? [] : [[name, value]])));

function telling(exporter: SpanExporter, onTrouble: TracesOptions['onTrouble']): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        onTrouble(result.error ? result.error.message : null);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
