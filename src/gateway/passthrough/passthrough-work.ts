import { isProblem } from '../../protocols/codec.ts';
import { codecOf } from '../../protocols/index.ts';
import type { Problem } from '../../protocols/problem.ts';
import { readModel, readObject, readStream, wrong } from '../../protocols/request-bytes.ts';
import type { EndpointName } from '../../providers/endpoints.ts';
import { isObject } from '../../shared/json-shape.ts';
import type { JsonIndex } from '../../shared/json-bytes.ts';
import { isMultipart, MultipartForm } from '../../shared/multipart.ts';
import { affinityOf } from '../affinity-hint.ts';
import type { GatewayCall } from '../gateway.ts';
import { NO_NEEDS } from '../needs.ts';
import { estimateInput } from '../token-estimate.ts';
import type { Work } from '../work.ts';
import { type PassingBody, PassthroughJob } from './passthrough-job.ts';

/** A call of an endpoint that no protocol of ours translates. A problem names what is wrong with it. */
export function passthroughWork(call: GatewayCall, endpoint: EndpointName): Work | Problem {
  const contentType = call.headers.get('content-type') ?? '';
  const read = isMultipart(contentType) ? readForm(call.body, contentType) : readJson(call.body);
  if (isProblem(read)) return read;
  const { body, model, isStream } = read;
  const index = body.kind === 'json' ? body.envelope.index : null;
  const isText = endpoint === 'completions';
  return {
    operation: isText ? 'text_completion' : 'generate_content',
    model,
    isStream,
    relaysBytes: true,
    needs: isText && index ? { ...NO_NEEDS, inputTokens: estimateInput(index.bytes) } : NO_NEEDS,
    affinity: index && affinityOf(call.headers, index, codecOf('openai-chat').layout, call.client.id),
    job: () => new PassthroughJob(endpoint, body, isStream),
    streamOf: (reply) => `data: ${new TextDecoder().decode(reply).replace(/[\r\n]+/g, ' ')}\n\n${isText ? DONE : ''}`,
  };
}

const DONE = 'data: [DONE]\n\n';

type Read = { readonly body: PassingBody; readonly model: string; readonly isStream: boolean };

function readJson(bytes: Uint8Array): Read | Problem {
  const index = readObject(bytes);
  if (isProblem(index)) return index;
  const model = readModel(index);
  if (typeof model !== 'string') return model;
  const asked = readStream(index);
  if (typeof asked !== 'boolean') return asked;
  // Speech has a name of its own for it.
  const isStream = asked || index.get('stream_format') === 'sse';
  const wantsUsage = isStream && includesUsage(index);
  return { body: { kind: 'json', envelope: { index, model, isStream, wantsUsage } }, model, isStream };
}

function includesUsage(index: JsonIndex): boolean {
  const options = index.get('stream_options');
  return isObject(options) && options.include_usage === true;
}

function readForm(bytes: Uint8Array, contentType: string): Read | Problem {
  const form = MultipartForm.of(bytes, contentType);
  if (!form) return wrong('the request body is not the multipart form that its content-type announces');
  const model = form.get('model')?.trim();
  if (!model) return wrong(model === undefined ? 'model is missing' : 'model must not be empty', 'model');
  return { body: { kind: 'form', form, bytes, contentType }, model, isStream: form.get('stream')?.trim() === 'true' };
}
