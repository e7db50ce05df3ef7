// What the demo says: nothing clever, but all of it about what it was sent, so that a person can see what arrived.
import type { ChatRequest, DemoMessage } from './chat-request.ts';
import { sampleOf } from './schema-sample.ts';

export type DemoAnswer = {
  readonly reasoning: string | null;
  readonly text: string;
  readonly toolCall: { readonly name: string; readonly arguments: string } | null;
};

const QUOTED = 200;
const MAX_WORDS = 5_000;
const FILLER = 'many keys turn and one endpoint answers while the others rest'.split(' ');

/** `keyName` is told, so that rotation can be watched from the outside. */
export function answerTo(request: ChatRequest, keyName: string): DemoAnswer {
  const reasoning = request.model === 'reasoner' ? reasoningOn(request) : null;
  const prompt = lastPrompt(request);
  const tool = chosenTool(request);
  if (tool) {
    const value = sampleOf(tool.parameters ?? { type: 'object' }, cut(prompt));
    return { reasoning, text: '', toolCall: { name: tool.name, arguments: JSON.stringify(value) } };
  }
  return { reasoning, text: textFor(request, prompt, keyName), toolCall: null };
}

function textFor(request: ChatRequest, prompt: string, keyName: string): string {
  const { format } = request;
  if (format.kind === 'schema') return JSON.stringify(sampleOf(format.schema, cut(prompt)));
  if (format.kind === 'json') {
    return JSON.stringify({
      model: request.model,
      messages: request.messages.length,
      prompt: cut(prompt),
      key: keyName,
    });
  }
  const words = Number(/\b(\d+) words\b/.exec(prompt)?.[1] ?? 0);
  if (words > 0) return filler(Math.min(words, MAX_WORDS));
  const last = request.messages.at(-1);
  if (last?.role === 'tool') return `The tool answered: ${cut(last.text)}`;
  return [
    `This is the demo model "${request.model}", reached with the key "${keyName}".`,
    `I received ${summary(request.messages)}.`,
    settings(request),
    prompt === '' ? 'There was no text to answer.' : `You wrote: "${cut(prompt)}"`,
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function reasoningOn(request: ChatRequest): string {
  const prompt = lastPrompt(request);
  return `The request holds ${summary(request.messages)}. The last of it has ${prompt.length} characters. I will say what I received.`;
}

function summary(messages: readonly DemoMessage[]): string {
  const counts = new Map<string, number>();
  for (const { role } of messages) counts.set(role, (counts.get(role) ?? 0) + 1);
  const roles = [...counts].map(([role, count]) => `${count} ${role}`).join(', ');
  const images = messages.reduce((sum, message) => sum + message.images, 0);
  const seen = images > 0 ? ` and ${images} ${images === 1 ? 'image' : 'images'}` : '';
  return `${messages.length} ${messages.length === 1 ? 'message' : 'messages'} (${roles})${seen}`;
}

function settings(request: ChatRequest): string {
  const said = [
    request.temperature === null ? '' : `temperature ${request.temperature}`,
    request.maxTokens === null ? '' : `at most ${request.maxTokens} tokens`,
    request.tools.length === 0 ? '' : `tools ${request.tools.map((tool) => tool.name).join(', ')}`,
  ].filter((setting) => setting !== '');
  return said.length === 0 ? '' : `With it came ${said.join('; ')}.`;
}

function chosenTool(request: ChatRequest) {
  const { tools, toolChoice } = request;
  const [first] = tools;
  if (!first || toolChoice === 'none') return undefined;
  if (typeof toolChoice === 'object') return tools.find((tool) => tool.name === toolChoice.name);
  // After a tool's result comes the answer, else a client would call for ever.
  if (request.messages.at(-1)?.role === 'tool') return undefined;
  if (toolChoice === 'required') return first;
  const prompt = lastPrompt(request).toLowerCase();
  return (
    tools.find((tool) => prompt.includes(tool.name.toLowerCase())) ?? (/\btools?\b/.test(prompt) ? first : undefined)
  );
}

function lastPrompt(request: ChatRequest): string {
  return request.messages.findLast((message) => message.role === 'user')?.text ?? '';
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= QUOTED ? text : `${characters.slice(0, QUOTED).join('')}…`;
}

function filler(words: number): string {
  return Array.from({ length: words }, (_, index) => FILLER[index % FILLER.length]).join(' ');
}
