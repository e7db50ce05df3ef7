/** What the project's own tools keep beside the `.env`. */
import { parseJson } from '../../shared/json-shape.ts';
import { type Outcome, set, skip } from './outcome.ts';

export type Setting = { readonly name: string; readonly outcome: Outcome };

type Translate = (value: unknown) => Outcome;

const LAUNCHER: Readonly<Record<string, Translate>> = {
  host: (value) => (typeof value === 'string' ? set(['server', 'host'], value) : skip('expected a host')),
  port: (value) => (typeof value === 'number' ? set(['server', 'port'], value) : skip('expected a port')),
  enable_request_logging: (value) =>
    value === true
      ? set(['logging', 'requests'], 'bodies', 'the bodies of requests are logged')
      : skip('off, as it is in rotator'),
  enable_raw_logging: (value) =>
    value === true ? skip('rotator keeps no log of raw bytes') : skip('off, as it is in rotator'),
  last_updated: () => skip('the launcher’s own note'),
};

const VIEWER: Readonly<Record<string, Translate>> = {
  remotes: () => skip('rotator status --url looks at a server elsewhere; its key is that server’s admin token'),
  last_used: () => skip('the viewer’s own note'),
  provider_settings: () => skip('rotator status shows all models'),
};

export const launcherSettings = (text: string): readonly Setting[] => settings(text, LAUNCHER);
export const viewerSettings = (text: string): readonly Setting[] => settings(text, VIEWER);

function settings(text: string, table: Readonly<Record<string, Translate>>): readonly Setting[] {
  const json = parseJson(text);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return [{ name: 'the whole file', outcome: skip('it holds no JSON object') }];
  }
  return Object.entries(json).map(([name, value]) => {
    const known = Object.hasOwn(table, name) ? table[name] : undefined;
    return { name, outcome: known?.(value) ?? skip('no such setting is known here') };
  });
}
