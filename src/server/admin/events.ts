import type { EngineEvent } from '../../gateway/operations.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Route } from '../routes/route.ts';

const HEARTBEAT_MS = 15_000;
const HEARTBEAT = ': rotator\n\n';

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // nginx would otherwise collect the stream before it passes it on.
  'x-accel-buffering': 'no',
};

/** Blocks, settled leases and finished requests as they happen, as server-sent events named by their type. */
export const eventsRoute: Route = {
  method: 'GET',
  path: '/admin/events',
  access: 'admin',
  answer: ({ deps, request }) => {
    // Nobody would ever read, and so end, the stream behind a HEAD.
    if (request.method === 'HEAD') return new Response(null, { headers: HEADERS });
    const reading = new AbortController();
    const signal = AbortSignal.any([request.signal, reading.signal]);
    const body = eventStream(deps.operations.events(signal), deps.clock, () => reading.abort());
    return new Response(body, { headers: HEADERS });
  },
};

/** Nothing is made that is not read: events wait with whoever makes them, and a slow reader misses some. */
function eventStream(events: AsyncIterable<EngineEvent>, clock: Clock, onGone: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const iterator = events[Symbol.asyncIterator]();
  let next = iterator.next();
  let cancelHeartbeat = () => {};
  let isGone = false;
  return new ReadableStream<Uint8Array>(
    {
      // The runtime holds back the header block until the first byte of the body.
      start: (controller) => controller.enqueue(encoder.encode(HEARTBEAT)),
      async pull(controller) {
        const quiet = Promise.withResolvers<null>();
        cancelHeartbeat = clock.schedule(HEARTBEAT_MS, () => quiet.resolve(null));
        const step = await Promise.race([next, quiet.promise]);
        cancelHeartbeat();
        if (isGone) return;
        if (step === null) return controller.enqueue(encoder.encode(HEARTBEAT));
        if (step.done) return controller.close();
        next = iterator.next();
        controller.enqueue(encoder.encode(`event: ${step.value.type}\ndata: ${JSON.stringify(step.value)}\n\n`));
      },
      cancel() {
        isGone = true;
        cancelHeartbeat();
        onGone();
      },
    },
    { highWaterMark: 0 },
  );
}
