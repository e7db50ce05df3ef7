/**
 * Rules that look at more than one field. They read the tree and not the finished config, so that they are reported
 * together with everything else that is wrong.
 */
import { findProfile, profiles } from '../oauth/profiles/index.ts';
import { findProvider, normalizeProviderId, providerNames, providers } from '../providers/index.ts';
import type { Provider } from '../providers/provider.ts';
import { vendorFields } from '../providers/vendor-settings.ts';
import { nearest } from '../shared/near-miss.ts';
import { isLoopbackHost } from './loopback.ts';
import { formatPath } from './problems.ts';
import type { Finding } from './validate.ts';
import { isFields, isList, isWritten, type Tree, textAt, textOf, treeAt } from './written.ts';

const OWN_NAME = /^[a-z0-9][a-z0-9._-]*$/;

export function checkRules(tree: Tree): Finding[] {
  return [
    ...checkOpenServer(tree),
    ...checkClientKeys(tree),
    ...checkProviders(tree),
    ...checkAliases(tree),
    ...checkRequests(tree),
  ];
}

function checkOpenServer(tree: Tree): Finding[] {
  const host = textAt(tree, 'server', 'host') ?? '127.0.0.1';
  if (textAt(tree, 'server', 'client_keys') !== 'none' || isLoopbackHost(host)) return [];
  return [
    {
      path: ['server', 'client_keys'],
      part: 'value',
      message: `none would let anybody who reaches ${host} use your keys; give client keys, or listen on 127.0.0.1`,
    },
  ];
}

function checkClientKeys(tree: Tree): Finding[] {
  const list = treeAt(tree, ['server', 'client_keys']);
  if (!isList(list)) return [];
  const findings: Finding[] = [];
  for (const [i, item] of list.entries()) {
    const limits = treeAt(item, ['limits']);
    if (!isFields(limits) || Object.keys(limits).length === 0 || textAt(item, 'name') !== undefined) continue;
    const message = 'a key with limits needs a name: what it has used is kept under it';
    findings.push({ path: ['server', 'client_keys', i, 'limits'], part: 'name', message });
  }
  for (const field of ['name', 'key'] as const) {
    const first = new Map<string, number>();
    for (const [i, item] of list.entries()) {
      const value = isFields(item) ? item[field] : undefined;
      if (!isWritten(value)) continue;
      const before = first.get(textOf(value));
      if (before === undefined) first.set(textOf(value), i);
      else {
        const path = ['server', 'client_keys', i, field];
        const other = formatPath(['server', 'client_keys', before]);
        findings.push({ path, part: 'value', message: `the same ${field} as in ${other}` });
      }
    }
  }
  return findings;
}

function checkProviders(tree: Tree): Finding[] {
  const configured = treeAt(tree, ['providers']);
  if (!isFields(configured)) return [];
  const findings: Finding[] = [];
  const seen = new Map<string, string>();
  for (const [name, fields] of Object.entries(configured)) {
    const path = ['providers', name];
    const known = findProvider(name);
    const id = known?.id ?? normalizeProviderId(name);
    const twin = seen.get(id);
    if (twin !== undefined) {
      findings.push({ path, part: 'name', message: `the same provider as "${twin}"` });
      continue;
    }
    seen.set(id, name);
    findings.push(
      ...checkQuotaGroups(name, fields),
      ...checkOAuth(name, id, fields),
      ...checkVendorFields(name, known, fields),
    );
    if (known?.key === 'account' && treeAt(fields, ['keys']) !== undefined) {
      const message = `${id} takes no keys, only accounts: rotator oauth login ${id}`;
      findings.push({ path: [...path, 'keys'], part: 'name', message });
    }
    if (known) continue;
    if (id === 'demo') {
      findings.push({ path, part: 'name', message: 'this name is taken by the demo provider (serve --demo)' });
    } else if (!OWN_NAME.test(name)) {
      const message = 'a name of your own is made of lower-case letters, digits, "-", "_" and "."';
      findings.push({ path, part: 'name', message });
    } else if (treeAt(fields, ['base_url']) === undefined && (fields === undefined || isFields(fields))) {
      findings.push({ path, part: 'name', ...unknownProvider(name) });
    }
  }
  return findings;
}

/** A field that says nothing to this vendor would look as if it did. */
function checkVendorFields(name: string, known: Provider | undefined, fields: Tree): Finding[] {
  if (!isFields(fields)) return [];
  const findings = vendorFields.flatMap((field): Finding[] => {
    if (fields[field] === undefined || known?.fields?.includes(field)) return [];
    const others = providers.filter((provider) => provider.fields?.includes(field)).map(({ id }) => id);
    const message = `"${name}" has no such field; it is for ${others.join(', ')}`;
    return [{ path: ['providers', name, field], part: 'name', message }];
  });
  const keys = fields.keys;
  const auth = textAt(fields, 'auth');
  if (auth !== undefined && auth !== 'key' && isList(keys)) {
    const message = `with auth: ${auth} no key is ever sent; leave out keys, or say auth: key`;
    findings.push({ path: ['providers', name, 'keys'], part: 'name', message });
  }
  if (auth === 'key' && isWritten(keys) && textOf(keys) === 'none') {
    findings.push({ path: ['providers', name, 'auth'], part: 'value', message: 'key needs keys, and keys says none' });
  }
  if (isFields(fields.entra) && keys !== undefined) {
    const message = 'an application that signs in (entra) needs no keys; give one of the two';
    findings.push({ path: ['providers', name, 'keys'], part: 'name', message });
  }
  return findings;
}

function checkOAuth(name: string, id: string, fields: Tree): Finding[] {
  if (!isFields(treeAt(fields, ['oauth'])) || findProfile(id)) return [];
  const known = profiles.map((profile) => profile.id).join(', ');
  const message = `"${name}" has no accounts to log in; those that have are ${known}`;
  return [{ path: ['providers', name, 'oauth'], part: 'name', message }];
}

/** A model is of one group: a pattern that stands in two would silently count in the first. */
function checkQuotaGroups(name: string, fields: Tree): Finding[] {
  const groups = treeAt(fields, ['quota_groups']);
  if (!isFields(groups)) return [];
  const findings: Finding[] = [];
  const first = new Map<string, string>();
  for (const [group, patterns] of Object.entries(groups)) {
    for (const [i, pattern] of isList(patterns) ? patterns.entries() : []) {
      if (!isWritten(pattern)) continue;
      const text = textOf(pattern).toLowerCase();
      const before = first.get(text);
      if (before === undefined) first.set(text, group);
      else {
        const path = ['providers', name, 'quota_groups', group, i];
        const where = before === group ? 'twice in this group' : `also in group "${before}"`;
        findings.push({ path, part: 'value', message: `the same pattern is ${where}` });
      }
    }
  }
  return findings;
}

function unknownProvider(name: string): Pick<Finding, 'message' | 'likely'> {
  return {
    message: `provider "${name}" is not known, and a server of your own needs a base_url`,
    likely: nearest(name, providerNames),
  };
}

function checkAliases(tree: Tree): Finding[] {
  const aliases = treeAt(tree, ['aliases']);
  if (!isFields(aliases)) return [];
  const configured = treeAt(tree, ['providers']);
  const own = isFields(configured) ? Object.keys(configured) : [];
  const findings: Finding[] = [];
  for (const [name, alias] of Object.entries(aliases)) {
    if (isWritten(alias)) findings.push(...checkTarget(textOf(alias), ['aliases', name], aliases, own));
    const targets = treeAt(alias, ['targets']);
    const first = new Map<string, number>();
    for (const [i, target] of isList(targets) ? targets.entries() : []) {
      if (!isWritten(target)) continue;
      const path = ['aliases', name, 'targets', i];
      const problems = checkTarget(textOf(target), path, aliases, own);
      findings.push(...problems);
      const before = first.get(textOf(target));
      if (before === undefined) first.set(textOf(target), i);
      else if (problems.length === 0) {
        const other = formatPath(['aliases', name, 'targets', before]);
        findings.push({ path, part: 'value', message: `the same target as ${other}` });
      }
    }
  }
  return findings;
}

/** A target names a provider that can be meant, and a model; it is never another alias, so that no circle can close. */
function checkTarget(
  target: string,
  path: Finding['path'],
  aliases: Readonly<Record<string, Tree>>,
  own: readonly string[],
): Finding[] {
  const slash = target.indexOf('/');
  if (slash <= 0 || slash === target.length - 1) {
    const message = Object.hasOwn(aliases, target)
      ? `"${target}" is an alias; an alias stands for targets, written provider/model`
      : `expected a target written provider/model, got ${JSON.stringify(target)}`;
    return [{ path, part: 'value', message }];
  }
  if (/[*?]/.test(target)) {
    return [{ path, part: 'value', message: `"${target}" has a wildcard; a target names one model` }];
  }
  const prefix = target.slice(0, slash);
  const id = normalizeProviderId(prefix);
  if (findProvider(prefix) || id === 'demo' || own.some((name) => normalizeProviderId(name) === id)) return [];
  const near = nearest(prefix, [...own, ...providerNames]);
  return [
    {
      path,
      part: 'value',
      message: `provider "${prefix}" is not known`,
      likely: near === undefined ? undefined : near + target.slice(slash),
    },
  ];
}

/** Who is called, and whether the answer is a stream, is no detail of a body that a rule could change unseen. */
const FIXED_FIELDS: readonly string[] = ['model', 'stream'];

function checkRequests(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const rules = treeAt(tree, ['requests']);
  for (const [i, rule] of isList(rules) ? rules.entries() : []) {
    if (!isFields(rule)) continue;
    for (const action of ['set', 'default'] as const)
      findings.push(...fixedNames(rule[action], ['requests', i, action]));
    const removed = rule.remove;
    for (const [at, name] of isList(removed) ? removed.entries() : []) {
      if (isWritten(name) && FIXED_FIELDS.includes(textOf(name)))
        findings.push({ path: ['requests', i, 'remove', at], part: 'value', message: fixed(textOf(name)) });
    }
    if (rule.set === undefined && rule.default === undefined && removed === undefined) {
      findings.push({
        path: ['requests', i],
        part: 'value',
        message: 'a rule that does nothing: give it set, default or remove',
      });
    }
  }
  const configured = treeAt(tree, ['providers']);
  for (const provider of isFields(configured) ? Object.keys(configured) : []) {
    const define = treeAt(tree, ['providers', provider, 'models', 'define']);
    for (const name of isFields(define) ? Object.keys(define) : []) {
      const path = ['providers', provider, 'models', 'define', name, 'options'];
      findings.push(...fixedNames(treeAt(tree, path), path));
    }
  }
  return findings;
}

const fixedNames = (fields: Tree, path: readonly (string | number)[]): Finding[] =>
  Object.keys(isFields(fields) ? fields : {}).flatMap((name) =>
    FIXED_FIELDS.includes(name) ? [{ path: [...path, name], part: 'name', message: fixed(name) } as const] : [],
  );

const fixed = (name: string) => `${name} is the client’s to say: no rule can change it`;
