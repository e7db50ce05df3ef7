// The shapes of `--json` that the README shows have the fields that the program prints, and no other.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { ensureBinary } from '../support/binary.ts';
import { DocHome } from '../support/doc-home.ts';
import { readPages } from '../support/doc-pages.ts';
import { valuesInJsonc } from '../support/jsonc-values.ts';
import { type TempHome, tempHome } from '../support/temp-home.ts';
import { startVendorProxy, type VendorProxy } from '../support/vendor-proxy.ts';

type Shown = { readonly title: string; readonly value: unknown };

/** Each shape begins with a comment that names its command. */
const shown: readonly Shown[] = readPages()
  .flatMap(({ path, fences }) => (path === 'README.md' ? fences : []))
  .filter(({ language }) => language === 'jsonc')
  .flatMap(({ text }) => text.split(/\n\n(?=\/\/ )/))
  .flatMap((piece) => {
    const [value] = valuesInJsonc(piece);
    const title = /^\/\/ (\S.*?)(?:, and |[.,;:]|$)/m.exec(piece)?.[1] ?? '';
    return value === undefined ? [] : [{ title, value }];
  });

const ADMIN = '-H "authorization: Bearer $(cat ~/.local/state/rotator/admin-token)"';

/** What is run for each, where, and which of its lines is meant. */
const commands: Readonly<Record<string, { readonly place: string; readonly command: string }>> = {
  'keys list --json': { place: 'serving', command: 'rotator keys list --json' },
  'test-route MODEL --json': { place: 'serving', command: 'rotator test-route fast --live --json' },
  'status --json': { place: 'serving', command: 'rotator status --json' },
  'usage --json': { place: 'serving', command: 'rotator usage --by key --json' },
  'GET /admin/requests?limit=50&failed=1&before=SEQ&after=SEQ': {
    place: 'serving',
    command: `curl -sS ${ADMIN} http://127.0.0.1:8000/admin/requests`,
  },
  'clients list --json': { place: 'trouble', command: 'rotator clients list --json' },
  'keys test --json': { place: 'serving', command: 'rotator keys test groq-6c588aa940 --json' },
  'oauth list --json': {
    place: 'own',
    command: 'CODEX_1_ACCESS_TOKEN=a CODEX_1_REFRESH_TOKEN=b rotator oauth list --json',
  },
  'oauth login gemini-cli --json': {
    place: 'own',
    command: 'GEMINI_CLI_CLIENT_SECRET=a rotator oauth login gemini-cli --json',
  },
  'oauth import --json': { place: 'own', command: 'rotator oauth import --json' },
  'models --json': { place: 'serving', command: 'rotator models --json' },
  'models --allow … --deny … --json': { place: 'serving', command: "rotator models --deny '*flash*' --json" },
  'import --json': { place: 'proxy', command: 'rotator import ~/LLM-API-Key-Proxy/.env --json' },
};

/** How they differ, as paths; nothing where one of them is empty or null. */
function differences(wanted: unknown, got: unknown, at: string): readonly string[] {
  if (Array.isArray(wanted) && Array.isArray(got)) {
    return got.flatMap((item) => differences(wanted[0], item, `${at}[]`));
  }
  if (!isRecord(wanted) || !isRecord(got)) return [];
  const isWhole = !Object.hasOwn(wanted, '…');
  const missing = Object.keys(wanted).filter((name) => name !== '…' && !Object.hasOwn(got, name));
  const added = Object.keys(got).filter((name) => isWhole && !Object.hasOwn(wanted, name));
  return [
    ...missing.map((name) => `${at}.${name} is not printed`),
    ...added.map((name) => `${at}.${name} is not shown`),
    ...Object.keys(wanted).flatMap((name) => differences(wanted[name], got[name], `${at}.${name}`)),
  ];
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

describe.skipIf(process.platform === 'win32')('a shape in the README', () => {
  const homes = new Map<string, DocHome>();
  let outside: TempHome;
  let proxy: VendorProxy;

  beforeAll(async () => {
    await ensureBinary();
    outside = await tempHome();
    proxy = await startVendorProxy(outside);
  }, 120_000);

  afterAll(async () => {
    for (const home of homes.values()) await home[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await outside?.[Symbol.asyncDispose]();
  });

  test('is of a command that is run here', () => {
    // What `serve` prints is what every page that serves waits for.
    expect(shown.map(({ title }) => title).filter((title) => title !== 'serve --json' && !commands[title])).toEqual([]);
  });

  test.each(shown.filter(({ title }) => commands[title]).map(({ title, value }) => [title, value] as const))(
    '%s has the fields that are printed',
    async (title, value) => {
      const { place = 'own', command = '' } = commands[title] ?? {};
      const home = homes.get(place) ?? (await DocHome.open(place, proxy.env));
      homes.set(place, home);
      const { code, output } = await home.command(command);
      expect([title, code, output]).toEqual([title, 0, output]);
      expect(differences(value, JSON.parse(output), title)).toEqual([]);
    },
    30_000,
  );
});
