// A vendor inside the process: OpenAI's chat API over five keys that behave differently. The app serves `fetch` on a
// loopback port, so that a demo request travels the same way as any other.
import type { Clock } from '../shared/clock.ts';
import { answerTo } from './answer.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { type CompletionHead, type CutAnswer, completionChunks, cutAnswer, wholeCompletion } from './completion.ts';
import { admit, type DemoKey, demoKeys, freshHistory, type KeyHistory, wrongKey } from './demo-keys.ts';
import { badRequest, type DemoProblem, problemBody } from './demo-problem.ts';

export type DemoUpstream = {
  /** Serves `/v1/chat/completions`, `/v1/models` and `/v1/models/{id}`. Never rejects. */
  fetch(request: Request): Promise<Response>;
  readonly keys: readonly DemoKey[];
};

export type DemoUpstreamOptions = {
  readonly clock: Clock;
  /** Milliseconds between two chunks of a stream, and before a whole answer. Default 15. */
  readonly pauseMs?: number;
};

const MODELS = ['chat', 'reasoner'];
const MODELS_CREATED = Date.UTC(2026, 0, 1) / 1000;

export function createDemoUpstream({ clock, pauseMs = 15 }: DemoUpstreamOptions): DemoUpstream {
  const histories = new Map<string, KeyHistory>();
  let answers = 0;

  async function fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const secret = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
    const key = demoKeys.find((known) => known.secret === secret);
    if (!key || key.behaviour === 'revoked') return refuse(secret === '' ? missingKey : wrongKey(secret));
    if (pathname === '/v1/chat/completions') {
      return request.method === 'POST' ? chat(request, key) : refuse(wrongMethod(request, pathname));
    }
    const model = /^\/v1\/models\/(.+)$/.exec(pathname)?.[1];
    if (pathname === '/v1/models' || model !== undefined) {
      return request.method === 'GET' ? listModels(model) : refuse(wrongMethod(request, pathname));
    }
    return refuse({ ...badRequest(`Invalid URL (${request.method} ${pathname})`), status: 404 });
  }

  async function chat(request: Request, key: DemoKey): Promise<Response> {
    const body = await readJson(request);
    const now = clock.now();
    const { history, problem, headers } = admit(key, histories.get(key.name) ?? freshHistory, now);
    histories.set(key.name, history);
    if (problem) return refuse(problem, headers);
    const parsed =
      body === undefined ? badRequest('We could not parse the JSON body of your request.') : parseChatRequest(body);
    if ('status' in parsed) return refuse(parsed, headers);
    if (!MODELS.includes(parsed.model)) return refuse(unknownModel(parsed.model), headers);
    const number = ++answers;
    const head = { id: `chatcmpl-demo-${number}`, created: Math.floor(now / 1000), model: parsed.model };
    const answer = cutAnswer(answerTo(parsed, key.name), parsed, `call_demo_${number}`);
    if (parsed.isStream) return streamed(head, parsed, answer, headers);
    await clock.sleep(pauseMs, request.signal);
    return json(200, JSON.stringify(wholeCompletion(head, parsed, answer)), headers);
  }

  function streamed(
    head: CompletionHead,
    request: ChatRequest,
    answer: CutAnswer,
    headers: Readonly<Record<string, string>>,
  ): Response {
    const chunks = completionChunks(head, request, answer);
    const gone = new AbortController();
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      // Pulled, so a reader that stops reading stops the answer too.
      async pull(controller) {
        await clock.sleep(pauseMs, gone.signal);
        if (gone.signal.aborted) return;
        const next = chunks.next();
        controller.enqueue(encoder.encode(`data: ${next.done ? '[DONE]' : JSON.stringify(next.value)}\n\n`));
        if (next.done) controller.close();
      },
      cancel() {
        gone.abort();
      },
    });
    return new Response(stream, { headers: { ...headers, 'content-type': 'text/event-stream; charset=utf-8' } });
  }

  return { fetch, keys: demoKeys };
}

function listModels(id: string | undefined): Response {
  const card = (model: string) => ({ id: model, object: 'model', created: MODELS_CREATED, owned_by: 'rotator-demo' });
  if (id === undefined) return json(200, JSON.stringify({ object: 'list', data: MODELS.map(card) }));
  return MODELS.includes(id) ? json(200, JSON.stringify(card(id))) : refuse(unknownModel(id));
}

async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    return undefined;
  }
}

function refuse(problem: DemoProblem, headers: Readonly<Record<string, string>> = {}): Response {
  return json(problem.status, problemBody(problem), headers);
}

function json(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, { status, headers: { ...headers, 'content-type': 'application/json' } });
}

const missingKey: DemoProblem = {
  status: 401,
  type: 'invalid_request_error',
  code: null,
  param: null,
  message: "You didn't provide an API key. Send it as a bearer token in the Authorization header.",
};

function unknownModel(model: string): DemoProblem {
  return {
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: null,
    message: `The model \`${model}\` does not exist or you do not have access to it.`,
  };
}

function wrongMethod(request: Request, pathname: string): DemoProblem {
  return { ...badRequest(`Not allowed to ${request.method} on ${pathname}.`), status: 405 };
}
