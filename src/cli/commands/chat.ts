import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { CliError, ExitCode } from '../../shared/cli-error.ts';
import { answerCost } from '../answer-cost.ts';
import { type AnswerEvent, AnswerReader, readError, readWhole, type TokenUsage } from '../chat-answer.ts';
import { type ChatDoor, openChatDoor } from '../chat-door.ts';
import { chatFailure } from '../chat-failure.ts';
import { chatBody, joinPrompt, readAttachment, readOption } from '../chat-request.ts';
import type { Context, Start } from '../context.ts';
import { Interrupted } from '../interrupted.ts';
import { readAll } from '../io.ts';
import { missingCredentials } from '../missing-credentials.ts';
import { isDemoModel, withLocalApp } from '../operations.ts';
import { decimal, positiveInteger } from '../option-values.ts';
import { findPlace, type Place } from '../place.ts';
import { MarkdownBlocks } from '../ui/markdown-blocks.ts';
import { plainLines } from '../ui/plain-text.ts';

type Options = {
  readonly model?: string;
  readonly system?: string;
  readonly file?: readonly string[];
  readonly temperature?: number;
  readonly option?: readonly string[];
  readonly maxTokens?: number;
  readonly stream: boolean;
  readonly raw?: true;
  readonly usage?: true;
  readonly local?: true;
};

export function addChat(program: Command, start: Start): void {
  program
    .command('chat')
    .description('ask a model once and print its answer')
    .argument('[prompt...]', 'the question; piped text is added after a blank line')
    .option(
      '-m, --model <model>',
      'model as provider/model, or an alias (default: chat.model of the config, else the only alias)',
    )
    .option('-s, --system <text>', 'system prompt')
    .option('-f, --file <path>', 'add an image or a text file; can be repeated', collect)
    .option('-t, --temperature <number>', 'temperature', decimal)
    .option('-o, --option <key=value>', 'set a field of the request; can be repeated', collect)
    .option('--max-tokens <n>', 'longest answer in tokens', positiveInteger)
    .option('--no-stream', 'wait for the whole answer')
    .option('--raw', 'do not render Markdown on a terminal')
    .option('--usage', 'print tokens and cost to stderr')
    .option('--local', 'do not go through a running server')
    .addHelpText(
      'after',
      `
Needs no server; when one runs on this state directory the request goes through it.
With --json the whole response object is printed.

Examples:
  $ rotator chat -m groq/llama-3.3-70b-versatile "why is the sky blue?"
  $ git diff | rotator chat "write a commit message" --usage
  $ rotator chat -m demo/chat -f photo.png "what is this?"`,
    )
    .action((words: string[], options: Options, command: Command) => chat(start(command), words, options));
}

async function chat(context: Context, words: readonly string[], options: Options): Promise<void> {
  const { io, globals, output } = context;
  const attachments = (options.file ?? []).map((path) => readAttachment(path, io.cwd));
  const fields = Object.fromEntries((options.option ?? []).map(readOption));
  if (globals.json && fields.stream === true)
    throw new CliError(
      ExitCode.usage,
      'usage',
      '"-o stream" cannot be used with --json, which prints one whole object',
    );
  const prompt = joinPrompt(words, io.isTerminal.stdin ? '' : await pipedText(io.stdin));
  if (prompt === '' && attachments.length === 0)
    throw new CliError(
      ExitCode.usage,
      'no_prompt',
      'there is no prompt',
      'write it as arguments or pipe it in: echo "explain this" | rotator chat -m MODEL',
    );
  const place = await findPlace(context);
  // An unset variable in `-m "$MODEL"` names no model and is not sent as one.
  const named =
    options.model === undefined ? (place.loaded.config.chat.model ?? onlyAlias(place)) : options.model.trim();
  const model = named || (await refuseWithoutModel(context, place));
  const isStream = options.stream && !globals.json;
  const body = chatBody({
    model,
    system: options.system,
    prompt,
    attachments,
    temperature: options.temperature,
    maxTokens: options.maxTokens,
    options: fields,
    isStream,
    wantsUsage: options.usage === true,
  });

  const interrupted = new AbortController();
  const stopListening = (['SIGINT', 'SIGTERM'] as const).map((name) =>
    io.onSignal(name, () => interrupted.abort(new Interrupted(name === 'SIGINT' ? 130 : 143))),
  );
  const signal = AbortSignal.any([interrupted.signal, output.closed]);
  let door: ChatDoor | null = null;
  try {
    door = await openChatDoor(context, place, { isLocal: options.local === true, isDemo: isDemoModel(model) });
    signal.throwIfAborted();
    const reply = await door.send(body, signal);
    if (reply.status === 404) {
      const lack = await missingCredentials(context, place, model);
      if (lack) throw lack;
    }
    const usage = await answer(context, model, options, reply);
    if (options.usage !== true) return;
    const target = reply.headers.get('x-rotator-target');
    const cost = usage && (await answerCost(door, target, usage, signal));
    output.error(`${usage ? usageText(usage, cost) : 'usage: not reported'}\n`);
  } catch (thrown) {
    // However the abort came out of the layers below, the person's own word counts.
    if (interrupted.signal.aborted) throw interrupted.signal.reason;
    throw thrown;
  } finally {
    for (const stop of stopListening) stop();
    await door?.close();
  }
}

/** Bytes that are no text would reach the model as question marks, without a word to anybody. */
async function pipedText(stdin: Readable): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readAll(stdin));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new CliError(
      ExitCode.usage,
      'unreadable_input',
      'what was piped in is not text in UTF-8',
      'an image is added with -f FILE; text in another encoding goes through iconv first',
      cause,
    );
  }
}

/** Prints it; what it used, or null when nobody said. */
async function answer(context: Context, model: string, options: Options, reply: Response): Promise<TokenUsage | null> {
  const { output, globals } = context;
  if (!reply.ok) throw await refused(model, reply);
  const isStream = reply.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!isStream) {
    const whole: unknown = await reply.json();
    const events = readWhole(whole);
    const error = events.find((event) => event.kind === 'error');
    if (error) throw chatFailure(model, null, error.error, null);
    if (!globals.json) return await print(context, model, options, [events]);
    await output.json(whole);
    return usageIn(events);
  }
  return await print(context, model, options, chunksOf(reply));
}

async function* chunksOf(reply: Response): AsyncGenerator<readonly AnswerEvent[]> {
  const reader = new AnswerReader();
  for await (const chunk of reply.body ?? []) yield reader.push(chunk);
}

async function print(
  context: Context,
  model: string,
  options: Options,
  pieces: AsyncIterable<readonly AnswerEvent[]> | Iterable<readonly AnswerEvent[]>,
): Promise<TokenUsage | null> {
  const { io, output } = context;
  const blocks = io.isTerminal.stdout && options.raw !== true ? new MarkdownBlocks() : null;
  const hasColour = output.paint.level > 0;
  const render = (text: string) =>
    text.trim() === '' ? '' : `${Bun.markdown.ansi(text, { colors: hasColour, columns: io.columns }).trimEnd()}\n\n`;
  const showsReasoning = io.isTerminal.stderr && io.isTerminal.stdout && !context.globals.quiet;
  let written = '';
  let isThinking = false;
  let isFinished = false;
  let hasText = false;
  const seen: AnswerEvent[] = [];
  const write = async (text: string) => {
    if (text === '') return;
    written = text;
    await output.data(text);
  };
  const endLine = async () => {
    if (blocks) await write(render(blocks.end()));
    if (written !== '' && !written.endsWith('\n')) await write('\n');
  };
  try {
    for await (const events of pieces)
      for (const event of events) {
        if (event.kind === 'error') throw chatFailure(model, null, hasText ? cut(event.error) : event.error, null);
        if (event.kind === 'reasoning' && showsReasoning) {
          isThinking = true;
          output.error(output.paintMessage.dim(plainLines(event.text)));
        } else if (event.kind === 'text') {
          if (isThinking) output.error('\n\n');
          isThinking = false;
          hasText = true;
          // A file or a program gets every byte; a terminal gets nothing that it would obey.
          const text = io.isTerminal.stdout ? plainLines(event.text) : event.text;
          if (blocks) for (const block of blocks.push(text)) await write(render(block));
          else await write(text);
        } else if (event.kind === 'finish') isFinished = true;
        else if (event.kind === 'usage') seen.push(event);
      }
  } finally {
    await endLine();
  }
  if (!isFinished && !output.closed.aborted)
    throw new CliError(ExitCode.failed, 'answer_cut', `the answer of "${model}" was cut off`);
  return usageIn(seen);
}

/** Half an answer has been printed: the command failed, whatever the reason was. */
const cut = (error: { readonly message: string }) => ({ type: null, code: null, message: error.message });

const usageIn = (events: readonly AnswerEvent[]): TokenUsage | null =>
  events.findLast((event) => event.kind === 'usage')?.usage ?? null;

function usageText({ inputTokens, outputTokens }: TokenUsage, cost: number | null): string {
  const count = (tokens: number | null) => (tokens === null ? 'unknown' : tokens.toLocaleString('en-US'));
  const price = cost === null ? 'unknown' : `$${cost.toFixed(6)}`;
  return `usage: ${count(inputTokens)} input tokens, ${count(outputTokens)} output tokens, cost ${price}`;
}

async function refused(model: string, reply: Response): Promise<CliError> {
  const text = await reply.text();
  const retryAfter = Number(reply.headers.get('retry-after') ?? Number.NaN);
  let error = null;
  try {
    error = readError(JSON.parse(text));
  } catch {
    // Not our envelope: the text itself is all there is to tell.
  }
  return chatFailure(
    model,
    reply.status,
    error ?? { type: null, code: null, message: text.slice(0, 500) || `status ${reply.status}` },
    Number.isFinite(retryAfter) ? retryAfter : null,
  );
}

/** Who has one name of their own for a model means that one. A name with wildcards is no name to ask for. */
function onlyAlias({ loaded }: Place): string | null {
  const names = aliasNames(loaded.config.aliases);
  return names.length === 1 ? (names[0] ?? null) : null;
}

const aliasNames = (aliases: object) => Object.keys(aliases).filter((name) => !/[*?[]/.test(name));

/** No `-m` and no default: names three that would work, for the person cannot know what to write. */
async function refuseWithoutModel(context: Context, place: Place): Promise<never> {
  const { models } = await withLocalApp(context, place, { isDemo: false, isKept: false }, (app) =>
    app.operations.models({}),
  );
  const one = new Map<string, string>();
  for (const { provider, id } of models) if (provider !== null && !one.has(provider)) one.set(provider, id);
  // One of each provider first: three of one vendor would hide the others.
  const aliases = models.flatMap(({ id, provider }) => (provider === null ? [id] : []));
  const candidates = [...new Set([...aliases, ...one.values(), ...models.map((model) => model.id), ...EXAMPLES])].slice(
    0,
    3,
  );
  throw new CliError(
    ExitCode.usage,
    'no_model',
    'no model was named',
    `write -m MODEL or set chat.model; for example ${candidates.join(', ')}`,
  );
}

/** What works, or is easily made to, where nothing is configured. */
const EXAMPLES = ['demo/chat', 'demo/reasoner', 'groq/llama-3.3-70b-versatile'];

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
