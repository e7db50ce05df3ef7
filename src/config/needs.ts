/** Vendors whose URL holds something of the user's own: is it said, and can it stand there? */
import { findProvider } from '../providers/index.ts';
import type { Need, Provider } from '../providers/provider.ts';
import { baseFromEnvironment } from './credentials.ts';
import type { Env } from './environment.ts';
import { formatPath } from './problems.ts';
import type { Config, ProviderConfig } from './schema.ts';
import type { Finding } from './validate.ts';
import { configured } from './vendor-settings.ts';

export function checkNeeds(config: Config, env: Env): Finding[] {
  return Object.entries(config.providers).flatMap(([name, fields]) => {
    const known = findProvider(name);
    const needs = known?.needs ?? [];
    if (!known || needs.length === 0 || fields.base_url !== null || baseFromEnvironment(known, env)) return [];
    return configured(known, fields, env).baseUrl === null ? findingsOf(name, known, needs, fields, env) : [];
  });
}

function findingsOf(
  name: string,
  { title }: Provider,
  needs: readonly Need[],
  fields: ProviderConfig,
  env: Env,
): Finding[] {
  const missing = needs.filter((need) => saidValue(need, fields, env) === undefined);
  const findings = missing.map((need): Finding => {
    const field = formatPath(need.field);
    const message = `${title} needs ${field}: give it here, in ${need.env} in the environment, or give a base_url`;
    return { path: ['providers', name], part: 'name', message };
  });
  if (findings.length > 0) return findings;
  return needs.map((need) => {
    const isHere = saidValue(need, fields, {}) !== undefined;
    return {
      path: ['providers', name, ...(isHere ? need.field : [])],
      part: isHere ? 'value' : 'name',
      message: `${need.env} cannot stand in the URL of ${title}; expected something such as ${need.placeholder}`,
    };
  });
}

function saidValue({ field, env: variable }: Need, fields: ProviderConfig, env: Env): string | undefined {
  const [name, part] = field;
  const here = name === 'resource' ? fields.resource : part === undefined ? null : fields.url_variables[part];
  return here?.trim() || env[variable]?.trim() || undefined;
}
