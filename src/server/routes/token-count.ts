import type { CountedInput } from '../../models/token-count.ts';
import { jsonResponse } from '../json-response.ts';
import { isRefusal, refuse } from '../refusal.ts';
import { chatInput } from './chat-input.ts';
import { readModelQuestion } from './model-question.ts';
import type { Route } from './route.ts';

/** `{model, messages, tools?}` as in a chat call → how many tokens that is. Nothing is sent to a model. */
export const tokenCountRoute: Route = {
  method: 'POST',
  path: '/v1/token-count',
  access: 'client',
  answer: async ({ deps, client, body }) => {
    const asked = readModelQuestion(body);
    if (isRefusal(asked)) return asked;
    const { messages, tools } = asked.fields;
    if (!Array.isArray(messages)) return wrong('messages', 'a list of messages');
    if (tools !== undefined && tools !== null && !Array.isArray(tools)) return wrong('tools', 'a list of tools');
    const input: CountedInput = chatInput(messages, tools ?? []);
    const counted = await deps.models.countTokens(client, asked.model, input);
    if ('problem' in counted) return refuse(counted.problem);
    return jsonResponse({ token_count: counted.tokens, source: counted.source });
  },
};

const wrong = (name: string, expected: string) =>
  refuse({ kind: 'bad-request', status: 400, message: `"${name}" must be ${expected}`, param: name });
