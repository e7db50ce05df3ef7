import { listen } from '../../src/server/bun.ts';

/** A span as it came over the wire. */
export type ReceivedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  /** 2: a server's, 3: a client's. */
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly isError: boolean;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
};

type WireValue = { stringValue?: string; intValue?: number | string; doubleValue?: number; boolValue?: boolean };
type WireSpan = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code: number };
  attributes: { key: string; value: WireValue }[];
};
type WireBody = { resourceSpans: { scopeSpans: { spans: WireSpan[] }[] }[] };

/** A collector of OTLP over HTTP, on a free port. */
export function startCollector() {
  const spans: ReceivedSpan[] = [];
  const paths: string[] = [];
  let status = 200;
  const listener = listen({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      paths.push(new URL(request.url).pathname);
      if (status !== 200) return new Response('no', { status });
      const body: WireBody = JSON.parse(await request.text());
      for (const { scopeSpans } of body.resourceSpans)
        for (const scope of scopeSpans) spans.push(...scope.spans.map(received));
      return new Response('{}', { headers: { 'content-type': 'application/json' } });
    },
  });
  return {
    url: listener.url,
    spans,
    paths,
    refuse: (withStatus: number) => {
      status = withStatus;
    },
    [Symbol.dispose]: () => listener.abort(),
  };
}

const ms = (nanos: string) => Number(BigInt(nanos) / 1_000n) / 1_000;

function received(span: WireSpan): ReceivedSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId || null,
    name: span.name,
    kind: span.kind,
    startMs: ms(span.startTimeUnixNano),
    endMs: ms(span.endTimeUnixNano),
    isError: span.status.code === 2,
    attributes: Object.fromEntries(
      span.attributes.map(({ key, value }) => [
        key,
        value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue),
      ]),
    ),
  };
}
