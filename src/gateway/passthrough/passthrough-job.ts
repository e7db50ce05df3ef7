import type { Envelope } from '../../protocols/codec.ts';
import { endpointReader, textCompletionReader } from '../../protocols/endpoint-readers.ts';
import { codecOf } from '../../protocols/index.ts';
import type { AnswerReader } from '../../protocols/plain-json.ts';
import type { Problem } from '../../protocols/problem.ts';
import { isRepeated } from '../../protocols/request-bytes.ts';
import { editBody } from '../../providers/body-edits.ts';
import { ENDPOINT_PATHS, type EndpointName } from '../../providers/endpoints.ts';
import { placeUrl } from '../../providers/request.ts';
import type { MultipartForm } from '../../shared/multipart.ts';
import type { Job } from '../job.ts';
import type { Prepared } from '../lane.ts';
import type { Target } from '../plan.ts';
import { estimateInput, estimateTokens } from '../token-estimate.ts';

/** A body that passes as it came, but for the model's name. */
export type PassingBody =
  | { readonly kind: 'json'; readonly envelope: Envelope }
  | { readonly kind: 'form'; readonly form: MultipartForm; readonly bytes: Uint8Array; readonly contentType: string };

/** A file of sound or a picture is counted by what is in it, which nobody here knows. */
const TOKENS_OF_A_FILE = 1500;

/** A call of an endpoint that is the same at every vendor that has it. */
export class PassthroughJob implements Job {
  readonly isStream: boolean;
  readonly #endpoint: EndpointName;
  readonly #body: PassingBody;

  constructor(endpoint: EndpointName, body: PassingBody, isStream: boolean) {
    this.#endpoint = endpoint;
    this.#body = body;
    this.isStream = isStream;
  }

  estimateTokens(meanOutput: number | null): number {
    if (this.#body.kind === 'form') return TOKENS_OF_A_FILE;
    const { index } = this.#body.envelope;
    if (this.#endpoint !== 'completions') return estimateInput(index.bytes);
    const max = index.get('max_tokens');
    return estimateTokens(index.bytes, typeof max === 'number' ? max : null, meanOutput);
  }

  prepare(target: Target): Prepared | Problem {
    const { runtime, model } = target;
    const { provider } = runtime;
    const path = provider.endpoints?.[this.#endpoint];
    if (path === undefined) return noEndpoint(target, this.#endpoint);
    const written = this.#written(target, provider.callsModel?.(model) ?? model);
    return {
      url: placeUrl(provider, runtime.baseUrl, path, model),
      ...written,
      codec: this.#reader(),
      context: { model, isStream: this.isStream, protocol: 'openai-chat' },
      isSameProtocol: true,
      translation: null,
      isRestored: false,
      watch: null,
      relaysBytes: true,
    };
  }

  #written(target: Target, model: string): Pick<Prepared, 'body' | 'changes' | 'dropsUsageFrame' | 'contentType'> {
    if (this.#body.kind === 'form') {
      const { form, bytes, contentType } = this.#body;
      const body = form.get('model') === model ? bytes : form.with('model', model);
      return { body, changes: [], dropsUsageFrame: false, contentType };
    }
    const { envelope } = this.#body;
    const { index } = envelope;
    const asksUsage = this.#endpoint === 'completions' && this.isStream && target.runtime.asksStreamUsage;
    const set =
      this.#endpoint === 'completions'
        ? codecOf('openai-chat').patch(envelope, { model, asksUsage })
        : { ...((model !== envelope.model || isRepeated(index, 'model')) && { model }) };
    const edited = editBody(
      Object.keys(set).length === 0 ? index.bytes : index.edit({ set }),
      target.edits,
      'openai-chat',
    );
    return { body: edited.bytes, changes: edited.changes, dropsUsageFrame: asksUsage && !envelope.wantsUsage };
  }

  #reader(): AnswerReader {
    return this.#endpoint === 'completions' ? textCompletionReader : endpointReader;
  }
}

const noEndpoint = ({ name, runtime }: Target, endpoint: EndpointName): Problem => ({
  kind: 'route-not-found',
  status: 404,
  message: `${runtime.id} has no ${ENDPOINT_PATHS[endpoint]}, so that ${name} cannot be asked there`,
  param: 'model',
});
