import type { AppSummary } from '../../app.ts';
import { isLoopbackHost } from '../../config/loopback.ts';
import type { Paint } from './colour.ts';

export type BannerFacts = {
  readonly url: string;
  readonly summary: AppSummary;
  /** Null: in memory. */
  readonly stateDir: string | null;
  /** For the example request; null when nobody knows one. */
  readonly model: string | null;
  /** Where it listens, as configured: the URL names this machine even when others reach it too. */
  readonly host: string;
  /** `client_keys: none`. */
  readonly isOpen: boolean;
  /** How a shell finds the client key: `$NAME` or `$(cat …)`; null when it cannot. */
  readonly keyReference: string | null;
  /** The literal key is shown to a person's terminal only: what goes to a file or a log stays there. */
  readonly isTerminal: boolean;
};

/** What `serve` tells a person at start. */
export function bannerText(facts: BannerFacts, paint: Paint): string {
  const { summary } = facts;
  const lines = [
    fact('config', summary.configPath ?? 'none: built-in defaults'),
    fact('state', facts.stateDir ?? 'in memory'),
  ];
  if (!isLoopbackHost(facts.host)) {
    const where = /^(0\.0\.0\.0|\[?::\]?)$/.test(facts.host) ? `every address (${facts.host})` : facts.host;
    lines.push(fact('reachable', `from other machines: it listens on ${where}`));
  }
  const usable = summary.providers.filter((provider) => provider.credentials > 0);
  if (usable.length > 0) {
    const counts = usable.map((provider) => `${provider.id} ${provider.credentials}`);
    lines.push(fact('credentials', counts.join(', ')));
  }
  if (summary.found.length > 0) {
    const names = summary.found.map((found) => `${found.name} (${found.provider})`);
    lines.push(fact('environment', names.join(', ')));
  }
  for (const note of summary.notes) lines.push(fact('note', note));
  if (usable.length === 0) {
    lines.push('', paint.bold.yellow('There are no credentials: no request can be answered.'));
    lines.push('  rotator keys add groq     adds one, and is picked up at once');
    lines.push('  rotator oauth login codex logs in with an account');
    lines.push('  rotator serve --demo      answers without any');
  }
  // Without a state directory no command finds the server by itself, nor a token that was made at the start.
  const watch =
    facts.stateDir === null
      ? `ROTATOR_ADMIN_TOKEN=… rotator status --watch --url ${facts.url}`
      : 'rotator status --watch';
  lines.push('', 'Try it:', curlText(facts), '', `Watch it, in another terminal: ${watch}`, '');
  return lines.join('\n');
}

const fact = (name: string, value: string) => `${name.padEnd(12)} ${value}`;

function curlText(facts: BannerFacts): string {
  const authorization = keyText(facts);
  const header = authorization === null ? '' : ` \\\n    -H "authorization: Bearer ${authorization}"`;
  if (facts.model === null) return `  curl ${facts.url}/v1/models${header}`;
  const body = JSON.stringify({ model: facts.model, messages: [{ role: 'user', content: 'Say hello.' }] });
  return `  curl ${facts.url}/v1/chat/completions${header} \\
    -H "content-type: application/json" \\
    -d ${quote(body)}`;
}

/** What stands behind `Bearer`, or null where no key is asked for. */
function keyText({ summary, isOpen, isTerminal, keyReference }: BannerFacts): string | null {
  if (isOpen) return null;
  if (isTerminal && summary.clientKey) return summary.clientKey.reveal();
  return keyReference ?? 'YOUR_CLIENT_KEY';
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
