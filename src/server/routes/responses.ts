import {
  expandedInput,
  expandedRequest,
  inputItems,
  ITEM_REFERENCE,
  referencedId,
} from '../../protocols/openai-responses/input-items.ts';
import { codecOf } from '../../protocols/index.ts';
import type { JsonRecord } from '../../protocols/ir.ts';
import { isObject, objectsIn } from '../../shared/json-shape.ts';
import { JsonIndex } from '../../shared/json-bytes.ts';
import type { KeptResponse, ResponseStore } from '../../gateway/response-store.ts';
import { jsonResponse } from '../json-response.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { type CallForm, callModel } from './model-call.ts';
import type { Exchange, Route } from './route.ts';

export const responsesRoutes: readonly Route[] = [
  { method: 'POST', path: '/v1/responses', access: 'client', answer: create },
  { method: 'GET', path: '/v1/responses', access: 'client', answer: upgrade },
  {
    method: 'GET',
    path: '/v1/responses/{id}/input_items',
    access: 'client',
    answer: (exchange) => {
      const found = kept(exchange);
      if (isRefusal(found)) return found;
      return jsonResponse({ object: 'list', data: found.input, has_more: false });
    },
  },
  {
    method: 'GET',
    path: '/v1/responses/{id}',
    access: 'client',
    answer: (exchange) => {
      const found = kept(exchange);
      return isRefusal(found) ? found : jsonResponse(found.response);
    },
  },
  {
    method: 'DELETE',
    path: '/v1/responses/{id}',
    access: 'client',
    answer: ({ deps, client, id }) => {
      const isGone = deps.responses()?.remove(client.id, id) ?? false;
      return isGone ? jsonResponse({ id, object: 'response', deleted: true }) : unknown(id);
    },
  },
];

/** The vendors know nothing of earlier answers: what `previous_response_id` stands for is written out before they are asked. */
function create(exchange: Exchange): Promise<Response> | Refusal {
  const form = withHistory(exchange, exchange.deps.responses());
  return isRefusal(form) ? form : callModel(exchange, codecOf('openai-responses'), form);
}

function withHistory({ body: sent, client }: Exchange, store: ResponseStore | null): CallForm | Refusal {
  const body = store ? withItems(sent, (item) => itemOf(store.findByItem(client.id, item), item)) : sent;
  const index = JsonIndex.of(body);
  // The codec says what is wrong with it.
  if (!index) return {};
  const previous = index.get('previous_response_id');
  const isKept = index.get('store') !== false;
  if (previous === undefined || previous === null) {
    if (!store || !isKept) return { body };
    return { body, onAnswer: keeper(store, client.id, () => inputItems(index.get('input'))) };
  }
  if (typeof previous !== 'string') return wrong('previous_response_id must be a string');
  if (!store) return wrong('previous_response_id needs kept answers, and responses.store is off here');
  const earlier = store.find(client.id, previous);
  if (!earlier) return unknown(previous, 'previous_response_id');
  const input = expandedInput({ input: earlier.input, output: objectsIn(earlier.response.output) }, index.get('input'));
  return {
    body: expandedRequest(index, input),
    continues: previous,
    ...(isKept && { onAnswer: keeper(store, client.id, () => input) }),
  };
}

/**
 * Clients that believe in a vendor's memory name the items of earlier answers instead of repeating them. Of vendors that
 * know nothing of them, and of another key of the vendor that does, the conversation would have lost what was said.
 */
function withItems(body: Uint8Array, itemCalled: (id: string) => JsonRecord | null): Uint8Array {
  // Long conversations are not parsed for nothing.
  if (!Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes(ITEM_REFERENCE)) return body;
  const index = JsonIndex.of(body);
  const input = index?.get('input');
  if (!index || !Array.isArray(input)) return body;
  let isChanged = false;
  const items = input.map((item: unknown) => {
    const id = isObject(item) ? referencedId(item) : null;
    const known = id === null ? null : itemCalled(id);
    isChanged ||= known !== null;
    return known ?? item;
  });
  return isChanged ? index.edit({ set: { input: items } }) : body;
}

const itemOf = (kept: KeptResponse | null, id: string): JsonRecord | null =>
  objectsIn(kept?.response.output).find((item) => item.id === id) ?? null;

function keeper(
  store: ResponseStore,
  client: string,
  input: () => readonly JsonRecord[],
): CallForm['onAnswer'] & object {
  return (response) => {
    if (typeof response.id === 'string') store.keep(client, response.id, { response, input: input() });
  };
}

function kept({ deps, client, id }: Exchange) {
  return deps.responses()?.find(client.id, id) ?? unknown(id);
}

function unknown(id: string, param: string | null = null): Refusal {
  const message = `there is no response "${id}" of this client key; it may have been forgotten, or was asked for with store: false`;
  return refuse({ kind: 'bad-request', status: 404, message, code: 'response_not_found', param });
}

const wrong = (message: string) => refuse({ kind: 'bad-request', status: 400, message, param: 'previous_response_id' });

/** Clients that prefer a WebSocket fall back to HTTP at once when they are told so, and retry for seconds when they are not. */
function upgrade({ request }: Exchange): Refusal {
  if (/\bwebsocket\b/i.test(request.headers.get('upgrade') ?? '')) {
    const message = 'responses are streamed over HTTP here, not over a WebSocket: POST to /v1/responses';
    return refuse({ kind: 'bad-request', status: 426, message }, { upgrade: 'HTTP/1.1', connection: 'Upgrade' });
  }
  const message = '/v1/responses does not answer GET; it answers POST, and GET /v1/responses/{id}';
  return refuse({ kind: 'method-not-allowed', status: 405, message }, { allow: 'POST' });
}
