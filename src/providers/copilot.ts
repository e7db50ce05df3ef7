import { JsonIndex } from '../shared/json-bytes.ts';
import { isObject, objectsIn } from '../shared/json-shape.ts';
import { holds } from '../shared/byte-search.ts';
import { compatible } from './compatible.ts';
import { modelRows, readRows } from './model-list.ts';

/** GitHub Copilot with its accounts. GitHub serves officially supported clients: its refusal is passed on as it is. */
export const copilot = compatible({
  id: 'copilot',
  names: ['github_copilot'],
  title: 'GitHub Copilot',
  baseUrl: 'https://api.githubcopilot.com',
  keyEnv: [],
  key: 'account',
  tier: null,
  accounts: {
    headers: (headers, { version }, body) => {
      headers.set('editor-version', `rotator/${version}`);
      if (!body) return;
      // What a person asks is counted otherwise than the steps that follow from it.
      const messages = objectsIn(JsonIndex.of(body)?.get('messages'));
      headers.set('x-initiator', messages.at(-1)?.role === 'user' ? 'user' : 'agent');
      if (holds(body, '"image_url"')) headers.set('copilot-vision-request', 'true');
    },
  },
  readModels: (page) => ({
    models: readRows(
      modelRows(page).filter(({ policy }) => !isObject(policy) || policy.state !== 'disabled'),
      ({ vendor }) => (typeof vendor === 'string' ? { ownedBy: vendor } : {}),
    ),
  }),
});
