import { isProblem } from '../protocols/codec.ts';
import { type AskTools, askModels } from './ask.ts';
import { type AttemptTools, attempt } from './attempt.ts';
import type { CredentialAccess, ProviderRuntime } from './gateway.ts';
import type { ChatTools } from './job.ts';
import type { KeyTest } from './operations.ts';
import { pingJob } from './ping.ts';
import { targetOf } from './plan.ts';
import { visibleModels } from './visible-models.ts';

// A test that takes longer tells nobody anything.
const TEST_TIMEOUT_MS = 60_000;

/**
 * Does this very key work? Asks for the model list; where that is public or missing, or proves too little because the
 * key is out of credit, for one token. Takes no lease and changes no block: a test is a question, not traffic.
 */
export async function testKey(
  runtime: ProviderRuntime,
  access: CredentialAccess,
  tools: { readonly ask: AskTools; readonly attempt: AttemptTools; readonly chat: ChatTools },
): Promise<KeyTest> {
  const startedAt = performance.now();
  const result = (test: Omit<KeyTest, 'id' | 'ms'>): KeyTest => ({
    id: access.id,
    ...test,
    ms: Math.round(performance.now() - startedAt),
  });
  const list = await askModels(runtime, access, tools.ask);
  // Vendors list their models to a key without credit, too.
  const isBroke = runtime.pool
    .status()
    .credentials.some(({ id, blocks }) => id === access.id && blocks.some(({ kind }) => kind === 'billing'));
  if (list.kind === 'models' && !isListPublic(runtime) && !isBroke) {
    return result({ ok: true, status: list.status, result: 'ok', message: `lists ${list.models.length} models` });
  }
  if (list.kind === 'failure' && !isListMissing(list.failure.status)) {
    return result({ ok: false, status: list.failure.status, result: list.failure.kind, message: list.failure.message });
  }
  const [model] = visibleModels(runtime, list.kind === 'models' ? list.models : []);
  if (!model) {
    const message = 'the server has no model list, and models.define names none to try';
    return result({ ok: false, status: null, result: 'unknown', message });
  }
  const target = targetOf(runtime, model.id);
  const prepared = pingJob(target.name, false, tools.chat).prepare(target);
  if (isProblem(prepared)) return result({ ok: false, status: null, result: 'unknown', message: prepared.message });
  const { result: attempted } = await attempt(
    {
      target,
      prepared,
      access,
      isStream: false,
      headers: new Headers(),
      clientSignal: new AbortController().signal,
      deadline: tools.attempt.clock.now() + TEST_TIMEOUT_MS,
      conversation: null,
    },
    tools.attempt,
  );
  if (attempted.kind !== 'failure') {
    return result({ ok: true, status: 200, result: 'ok', message: `${target.name} answers` });
  }
  const { status, kind, message } = attempted.failure;
  return result({ ok: false, status, result: kind, message });
}

/** Reading it proves nothing of the credential. */
const isListPublic = ({ provider }: ProviderRuntime) => provider.isListPublic === true || provider.models !== undefined;

const isListMissing = (status: number | null) => status === 404 || status === 405 || status === 501;
