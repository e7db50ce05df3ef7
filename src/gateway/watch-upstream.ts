import type { AttemptTranscript, Transcript } from '../observe/transcript.ts';
import { reasonOf } from '../shared/reason-of.ts';
import type { Upstream } from '../transport/upstream.ts';

/** The same upstream, with what goes to it and what comes from it written down. */
export function watchUpstream(upstream: Upstream, transcript: Transcript): Upstream {
  return async (call) => {
    const attempt = transcript.attempt({
      method: call.method,
      url: call.url,
      headers: [...call.headers],
      body: call.body,
    });
    try {
      const response = await upstream(call);
      attempt.status = response.status;
      attempt.responseHeaders = [...response.headers];
      if (!response.body) return response;
      const watched = new Response(watchBody(response.body, attempt), { headers: response.headers });
      // Upstreams answer with numbers that a Response cannot be made with.
      return Object.defineProperty(watched, 'status', { value: response.status });
    } catch (error) {
      attempt.error = reasonOf(error);
      throw error;
    }
  };
}

/** Nothing is read that nobody asks for. */
function watchBody(body: ReadableStream<Uint8Array>, attempt: AttemptTranscript): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          attempt.response.add(value);
          controller.enqueue(value);
        } catch (error) {
          attempt.error = reasonOf(error);
          controller.error(error);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
