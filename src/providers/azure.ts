import { openAiEmbeddings, withoutInputType } from './embeddings.ts';
import { ENDPOINT_PATHS } from './endpoints.ts';
import { readError } from './error-body.ts';
import { modelMissing } from './failure-from.ts';
import { editForReasoning } from './openai-reasoning.ts';
import type { ApplicationLogin, Provider } from './provider.ts';
import type { Application, VendorSettings } from './vendor-settings.ts';

const VERSION = '2024-10-21';
const SCOPE = 'https://cognitiveservices.azure.com/.default';

/**
 * OpenAI's models as deployments of the user's own. With a dated version a deployment has URLs of its own; with `v1` the
 * paths are OpenAI's, and the deployment stands where the model does.
 */
export const azure = {
  id: 'azure',
  names: ['azure_openai'],
  title: 'Azure OpenAI',
  protocol: 'openai-chat',
  baseUrl: null,
  keyEnv: ['AZURE_API_KEY', 'AZURE_OPENAI_API_KEY'],
  key: 'required',
  tier: null,
  keyUrl: 'https://portal.azure.com',
  fields: ['resource', 'api_version', 'deployments', 'entra'],
  needs: [
    {
      field: ['resource'],
      question: 'Name of the Azure OpenAI resource (NAME.openai.azure.com)',
      placeholder: 'my-resource',
      env: 'AZURE_RESOURCE_NAME',
      isInHost: true,
    },
  ],
  authorize: (headers, key) => headers.set('api-key', key.reveal()),
  configure,
  editFields: editForReasoning,
  classify: (reply) => {
    const error = readError(reply);
    // What is not deployed is not there, also where the resource could have it.
    return error.code === 'DeploymentNotFound' ? modelMissing(error) : undefined;
  },
} satisfies Provider;

function configure(settings: VendorSettings): Provider {
  const { resource, deployments, application } = settings;
  const baseUrl = settings.baseUrl ?? (resource === null ? null : `https://${resource}.openai.azure.com`);
  return {
    ...azure,
    baseUrl,
    ...placesOf(baseUrl ?? '', settings.apiVersion ?? VERSION),
    callsModel: (model) => (Object.hasOwn(deployments, model) ? (deployments[model] ?? model) : model),
    // The list that a key can read is that of the models which could be deployed.
    readModels: () => ({ models: Object.keys(deployments).map((id) => ({ id })) }),
    ...(application && { signsIn: loginOf(application), authorize: () => undefined }),
  };
}

/** The base URL may be the resource's host, or reach into the API already. */
function placesOf(baseUrl: string, version: string): Pick<Provider, 'paths' | 'speaks' | 'embeddings' | 'endpoints'> {
  const path = URL.canParse(baseUrl) ? new URL(baseUrl).pathname.replace(/\/+$/, '') : '';
  if (path.endsWith('/v1') || !/^\d/.test(version)) {
    const root = path.endsWith('/v1') ? '' : path.endsWith('/openai') ? '/v1' : '/openai/v1';
    return {
      paths: {
        'openai-chat': `${root}/chat/completions`,
        'openai-responses': `${root}/responses`,
        models: `${root}/models`,
      },
      speaks: () => ['openai-chat', 'openai-responses'],
      ...offersAt((path) => root + path),
    };
  }
  const root = path.endsWith('/openai') ? '' : '/openai';
  return {
    paths: {
      'openai-chat': `${root}/deployments/{model}/chat/completions?api-version=${version}`,
      models: `${root}/models?api-version=${version}`,
    },
    ...offersAt((path) => `${root}/deployments/{model}${path}?api-version=${version}`),
  };
}

/** Everything that a deployment can be of. */
function offersAt(place: (path: string) => string): Pick<Provider, 'embeddings' | 'endpoints'> {
  const { rerank: _, moderations: __, ...paths } = ENDPOINT_PATHS;
  return {
    embeddings: { ...openAiEmbeddings, path: place(openAiEmbeddings.path), edit: withoutInputType },
    endpoints: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, place(path)])),
  };
}

function loginOf({ tenant, clientId, clientSecret, tokenUrl }: Application): ApplicationLogin {
  return {
    tokenUrl: tokenUrl ?? `https://login.microsoftonline.com/${encodeURIComponent(tenant)}/oauth2/v2.0/token`,
    clientId,
    clientSecret,
    scope: SCOPE,
  };
}
