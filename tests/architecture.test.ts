// The rules of the house that no compiler checks: who may import whom, who owns which package, what is named how.
import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { codecs } from '../src/protocols/index.ts';
import { ownEntries } from '../src/providers/index.ts';

const root = dirname(import.meta.dir);
const source = join(root, 'src');

/** A room is a directory of src, or one of those that the few files beside them make up. */
type Room = string;

/** Which room a file directly under src belongs to. */
const rootRooms: Readonly<Record<string, Room>> = {
  'main.ts': 'main',
  'raise-connection-limits.ts': 'main',
  'app.ts': 'app',
  'self-command.ts': 'version',
  'version.ts': 'version',
};

type Import = { readonly specifier: string; readonly isTypeOnly: boolean };
type SourceFile = {
  /** Relative to src, with forward slashes. */
  readonly path: string;
  readonly room: Room;
  /** Without comments and types. */
  readonly code: string;
  readonly imports: readonly Import[];
};

const lanes = ['version', 'pool', 'protocols', 'providers', 'oauth', 'models', 'transport', 'shared', 'observe'];
const mayImport: Readonly<Record<Room, readonly Room[]>> = {
  main: ['cli', 'app', 'server', 'config', 'store', 'demo', 'gateway', ...lanes],
  cli: ['app', 'server', 'config', 'store', 'demo', 'gateway', ...lanes],
  app: ['server', 'config', 'store', 'demo', 'gateway', ...lanes],
  server: ['gateway', ...lanes],
  gateway: lanes,
  config: ['providers', 'oauth', 'protocols', 'shared', 'observe'],
  providers: ['protocols', 'shared', 'observe'],
  models: ['transport', 'shared', 'observe'],
  oauth: ['transport', 'shared', 'observe'],
  demo: ['providers', 'shared'],
  pool: ['shared', 'observe'],
  protocols: ['shared', 'observe'],
  store: ['shared', 'observe'],
  transport: ['shared', 'observe'],
  observe: ['shared'],
  shared: [],
  version: [],
};

/** Rooms that may see another one's types and none of its code. */
const typesOnly: Readonly<Record<Room, readonly Room[]>> = {
  demo: ['providers'],
  // What a model takes in thinking is fitted by every wire format, and known by the model's name.
  models: ['protocols'],
};

const owners: Readonly<Record<string, readonly Room[]>> = {
  commander: ['cli'],
  '@clack/prompts': ['cli'],
  chalk: ['cli'],
  '@bomb.sh/tab': ['cli'],
  'jsonc-parser': ['cli'],
  yaml: ['config'],
  'proper-lockfile': ['config', 'oauth'],
  oauth4webapi: ['oauth'],
  open: ['cli'],
  zod: ['config'],
  // The bare name is the runtime's stub, which ignores a dispatcher without an error.
  'undici/index.js': ['transport'],
  'bun:sqlite': ['store'],
  'fastest-levenshtein': ['shared'],
  '@pydantic/genai-prices': ['models'],
  'gpt-tokenizer': ['models'],
  'prom-client': ['observe'],
  '@opentelemetry/api': ['observe'],
  '@opentelemetry/exporter-trace-otlp-http': ['observe'],
  '@opentelemetry/resources': ['observe'],
  '@opentelemetry/sdk-trace': ['observe'],
};

/** What is imported and is no code. */
const DATA_FILES = [
  '../package.json',
  './packaged-models.json',
  './packaged-publishers.json',
  './packaged-vendors.json',
];

/** Rooms that only decide: no files, no sockets, no clock and no dice of their own. */
const pureRooms = ['pool', 'protocols', 'providers'];

const files = readdirSync(source, { recursive: true, withFileTypes: true })
  // A declaration is no code: the compiler alone reads it.
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
  .map((entry) => readSource(join(entry.parentPath, entry.name)));
const byPath = new Map(files.map((file) => [file.path, file]));

function readSource(path: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  const transpiler = new Bun.Transpiler({ loader: 'ts' });
  const code = transpiler.transformSync(text);
  const runtime = new Set(transpiler.scanImports(text).map((found) => found.path));
  const written = [
    ...text.matchAll(
      // The last is how a worker is started.
      /^(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|^import\s*'([^']+)'|\bimport\(\s*'([^']+)'|\bnew URL\('(\.[^']+)', import\.meta\.url\)/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? match[4] ?? '');
  const all = new Set([...written, ...runtime]);
  const place = relative(source, path).replaceAll('\\', '/');
  return {
    path: place,
    room: (place.includes('/') ? place.split('/')[0] : rootRooms[place]) ?? place,
    code,
    imports: [...all].map((specifier) => ({ specifier, isTypeOnly: !runtime.has(specifier) })),
  };
}

/** The file of src an import names; undefined for packages. */
function target(file: SourceFile, { specifier }: Import): SourceFile | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const path = relative(source, resolve(source, dirname(file.path), specifier)).replaceAll('\\', '/');
  return byPath.get(path);
}

function offences(look: (file: SourceFile, found: Import) => string | undefined): string[] {
  return files.flatMap((file) =>
    file.imports.flatMap((found) => {
      const offence = look(file, found);
      return offence === undefined ? [] : [`${file.path}: ${offence}`];
    }),
  );
}

describe('the rooms', () => {
  test('are the known ones', () => {
    expect([...new Set(files.map((file) => file.room))].filter((room) => !(room in mayImport))).toEqual([]);
  });

  test('import only what stands to their right', () => {
    const found = offences((file, one) => {
      const other = target(file, one);
      if (!other || other.room === file.room) return undefined;
      const isAllowed = mayImport[file.room]?.includes(other.room);
      const isTypeAllowed = one.isTypeOnly && typesOnly[file.room]?.includes(other.room);
      return isAllowed || isTypeAllowed ? undefined : `may not import ${other.path}`;
    });
    expect(found).toEqual([]);
  });

  test('that may see only types of another import nothing else of it', () => {
    const found = offences((file, one) => {
      const other = target(file, one);
      return other && !one.isTypeOnly && typesOnly[file.room]?.includes(other.room)
        ? `imports more than types of ${other.path}`
        : undefined;
    });
    expect(found).toEqual([]);
  });

  test('reach each other by relative paths that end in .ts and name a file that is there', () => {
    const found = offences((file, one) => {
      const { specifier } = one;
      if (DATA_FILES.includes(specifier) || !specifier.startsWith('.')) return undefined;
      return target(file, one) ? undefined : `${specifier} is no file of src`;
    });
    expect(found).toEqual([]);
  });

  test('have no file that nobody uses', () => {
    const used = new Set<string>();
    const open = files.filter((file) => file.path === 'main.ts' || isUsedByScripts(file));
    for (let file = open.pop(); file; file = open.pop()) {
      if (used.has(file.path)) continue;
      used.add(file.path);
      for (const one of file.imports) {
        const other = target(file, one);
        if (other) open.push(other);
      }
    }
    expect(files.map((file) => file.path).filter((path) => !used.has(path))).toEqual([]);
  });

  // Types too: two files that need each other's are one thought in two places.
  test('have no import cycle', () => {
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: SourceFile, trail: readonly string[]) => {
      if (state.get(file.path) === 'done') return;
      if (state.get(file.path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(file.path)), file.path].join(' → '));
        return;
      }
      state.set(file.path, 'open');
      for (const one of file.imports) {
        const other = target(file, one);
        if (other) visit(other, [...trail, file.path]);
      }
      state.set(file.path, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

function isUsedByScripts(file: SourceFile): boolean {
  return readFileSync(join(root, 'scripts', 'generate.ts'), 'utf8').includes(`'../src/${file.path}'`);
}

describe('packages', () => {
  test('are imported by their owners only', () => {
    const found = offences(({ room }, { specifier }) => {
      if (specifier.startsWith('.') || specifier.startsWith('node:') || specifier === 'bun') return undefined;
      const [name] = Object.keys(owners).filter((owned) => specifier === owned || specifier.startsWith(`${owned}/`));
      if (name === undefined) return `${specifier} has no owner`;
      return owners[name]?.includes(room) ? undefined : `${specifier} belongs to ${owners[name]?.join(', ')}`;
    });
    expect(found).toEqual([]);
  });

  test('that run in the binary are dependencies, and all dependencies are used', () => {
    const manifest: { dependencies: Record<string, string> } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    );
    const used = new Set(
      files
        .flatMap((file) => file.imports.map((one) => one.specifier))
        .filter((name) => !/^(\.|node:|bun(:|$))/.test(name))
        .map((name) =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        ),
    );
    expect([...used].sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });

  test('rooms that only decide import none of the runtime’s modules', () => {
    const found = offences(({ room }, { specifier }) =>
      // A digest is a pure function.
      pureRooms.includes(room) && /^(node|bun):(?!crypto$)/.test(specifier) ? `imports ${specifier}` : undefined,
    );
    expect(found).toEqual([]);
  });
});

describe('calls', () => {
  const uses = (pattern: RegExp, isAllowed: (file: SourceFile) => boolean) =>
    files.filter((file) => pattern.test(file.code) && !isAllowed(file)).map((file) => file.path);

  test('Bun.serve stands in server/bun.ts alone', () => {
    expect(uses(/\bBun\.(serve|listen)\b/, (file) => file.path === 'server/bun.ts')).toEqual([]);
  });

  test('process.exit stands in main.ts alone', () => {
    expect(uses(/\bprocess\.(exit|reallyExit|abort)\b/, (file) => file.path === 'main.ts')).toEqual([]);
  });

  test('time, chance and timers are arguments where decisions are made', () => {
    const decides = (file: SourceFile) => [...pureRooms, 'models', 'gateway', 'demo'].includes(file.room);
    expect(
      uses(/\bDate\.now\(|\bnew Date\(\)|\bMath\.random\b|\bset(Timeout|Interval)\(/, (file) => !decides(file)),
    ).toEqual([]);
  });

  test('outgoing calls are made in transport alone', () => {
    const mayFetch = (file: SourceFile) =>
      // The command line asks a running server on this machine, and looks whether it is there.
      file.room === 'transport' || file.room === 'cli' || file.path === 'server/server-file.ts';
    expect(uses(/(?<![.\w]|function )fetch\(|\bglobalThis\.fetch\b|\bnew Bun\.FetchSession\b/, mayFetch)).toEqual([]);
  });

  test('no vendor is asked for by name outside the providers: what differs is a field or a hook of its entry', () => {
    // A name that is a protocol's too may be asked for as that.
    const names = ownEntries.flatMap((provider) => [provider.id, ...(provider.names ?? [])]);
    const vendors = names.filter((name) => !codecs.some(({ id }) => id === name));
    const isVendor = new RegExp(`[=!]==? "(${vendors.join('|')})"`);
    expect(uses(isVendor, (file) => file.room === 'providers')).toEqual([]);
  });

  test('a secret is revealed where a request is authorised, a digest is taken or a file is written', () => {
    const reveals = ['config', 'providers', 'oauth', 'transport', 'server', 'app', 'cli'];
    // What redacts has to know what it looks for.
    const mayReveal = (file: SourceFile) => reveals.includes(file.room) || file.path === 'observe/redact.ts';
    expect(uses(/\.reveal\(/, mayReveal)).toEqual([]);
  });

  test('environment variables are read at the door', () => {
    const isDoor = (file: SourceFile) => ['main', 'cli', 'app'].includes(file.room);
    expect(uses(/\b(process|Bun)\.env\b/, isDoor)).toEqual([]);
  });
});

describe('names', () => {
  const tree = ['src', 'tests', 'scripts', 'docs'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
  );

  test('say what a file answers: no utils, helpers, support, common, types, manager or service', () => {
    const vague = /(^|[-_.])(utils?|helpers?|commons?|types?|managers?|services?|supports?|misc)\.(ts|mjs)$/;
    expect(tree.filter((path) => vague.test(basename(path)))).toEqual([]);
  });

  test('are in kebab case', () => {
    const code = tree.filter((path) => /\.(ts|mjs)$/.test(path) && !path.includes('/fixtures/'));
    expect(code.filter((path) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.(ts|mjs)$/.test(basename(path)))).toEqual([]);
  });

  const top = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(md|json|toml|ya?ml)$/.test(entry.name))
    .map((entry) => entry.name);
  const texts = [...tree, ...top]
    .filter((path) => !/\.(png|zst|gz|bin|pem)$/.test(path) && path !== 'package-lock.json')
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
  const holding = (pattern: RegExp) => texts.filter(({ text }) => pattern.test(text)).map(({ path }) => path);
  // Patterns are put together from pieces, so that this file passes its own tests.
  const pieces = (...parts: readonly string[]) => new RegExp(parts.join(''));

  test('no path of somebody’s machine stands in the tree', () => {
    expect(holding(pieces('(?<![\\w.])/(wo', 'rk|ro', 'ot|Us', 'ers/\\w+)/'))).toEqual([]);
  });

  test('the project speaks of itself alone: of no plan, no note and no task that a reader does not have', () => {
    const notes = pieces('\\bfa', 'cts/|\\b(surf', 'ace|archi', 'tecture|st', 'yle)\\.md\\b|shared/k', 'it\\b');
    expect(holding(notes)).toEqual([]);
    expect(holding(pieces('\\b[Ii]ss', 'ue #?\\d|\\bthe iss', 'ue\\b'))).toEqual([]);
  });

  test('nothing is left to be done later by a comment', () => {
    expect(holding(pieces('\\b(TO', 'DO|FIX', 'ME|HA', 'CK|XX', 'X)\\b'))).toEqual([]);
  });

  test('tests replace no module of ours, and none is switched off without a condition', () => {
    const tests = texts.filter(({ path }) => path.startsWith('tests/'));
    const pattern = pieces('\\bmock\\.mod', 'ule\\(|\\bspy', 'On\\(|\\b(test|describe)\\.(only|to', 'do|sk', 'ip)\\(');
    expect(tests.filter(({ text }) => pattern.test(text)).map(({ path }) => path)).toEqual([]);
  });
});
