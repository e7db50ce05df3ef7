import { describe, expect, test } from 'bun:test';
import { discoverProject } from '../../src/oauth/code-assist/discover-project.ts';
import { accountRefusal } from '../../src/oauth/code-assist/refusal.ts';
import { tierName, tierPriorities } from '../../src/oauth/code-assist/tiers.ts';
import type { ServiceSettings } from '../../src/oauth/service-settings.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startVendor, type VendorAnswer, type VendorScript } from '../support/vendor-server.ts';
import { account, profileNamed, serviceAt, serviceWith, toolsWith } from './oauth-fixture.ts';

const LOAD = '/v1internal:loadCodeAssist';
const ONBOARD = '/v1internal:onboardUser';

/** Google as it answers this account. */
async function discover(
  scripts: Readonly<Record<string, VendorScript>>,
  settings: Partial<ServiceSettings> = {},
  id = 'gemini_cli',
) {
  await using vendor = startVendor(scripts);
  const service = serviceAt(id, vendor.origin, settings);
  const clock = new ManualClock();
  const hook = profileNamed(id).afterLogin ?? discoverProject;
  const work = hook(account(id), service, toolsWith(clock));
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  await eventually('the discovery ends', async () => {
    if (!isDone && clock.pending > 0) await clock.advance(1000);
    return isDone;
  });
  return { account: await work, vendor };
}

const load = (json: unknown) => ({ [LOAD]: (): VendorAnswer => ({ json }) });
const onboarded: VendorScript = () => ({
  json: { done: true, response: { cloudaicompanionProject: { id: 'made-1' } } },
});

describe('the project of an account', () => {
  test('comes with its tier', async () => {
    const { account: found, vendor } = await discover(
      load({ currentTier: { id: 'standard-tier', name: 'Standard' }, cloudaicompanionProject: 'p-1' }),
    );
    expect(found).toMatchObject({
      details: { project_id: 'p-1', tier: 'PRO', tier_full: 'Standard' },
      standing: { kind: 'active' },
    });
    expect(vendor.requests[0]?.headers.get('authorization')).toBe('Bearer access-token-0');
    expect(vendor.requests[0]?.headers.get('user-agent')).toBe('rotator/0.0.0-test');
    expect(JSON.parse(vendor.requests[0]?.body ?? '')).toEqual({
      metadata: { ideType: 'IDE_UNSPECIFIED', platform: 'PLATFORM_UNSPECIFIED', pluginType: 'GEMINI' },
    });
  });

  test('may be an object', async () => {
    const { account: found } = await discover(
      load({ currentTier: { id: 'free-tier' }, cloudaicompanionProject: { id: 'p-2' } }),
    );
    expect(found.details.project_id).toBe('p-2');
  });

  test('goes with what was paid for, not with what is current', async () => {
    const { account: found } = await discover(
      load({ currentTier: { id: 'free-tier' }, paidTier: { id: 'g1-ultra-tier' }, cloudaicompanionProject: 'p' }),
    );
    expect(found.details.tier).toBe('ULTRA');
  });

  test('is the person’s own where Google names none', async () => {
    const { account: found, vendor } = await discover(load({ currentTier: { id: 'standard-tier' } }), {
      project_id: 'mine',
    });
    expect(found.details.project_id).toBe('mine');
    expect(JSON.parse(vendor.requests[0]?.body ?? '')).toMatchObject({
      cloudaicompanionProject: 'mine',
      metadata: { duetProject: 'mine' },
    });
  });

  test('given as a number is refused before anybody is asked', async () => {
    const { account: found, vendor } = await discover({}, { project_id: '123456789' });
    expect(found.standing).toMatchObject({
      kind: 'blocked',
      reason: expect.stringContaining('123456789 is a project’s number'.replace('’', "'")),
    });
    expect(vendor.requests).toEqual([]);
  });

  test('is looked for among the person’s own', async () => {
    const { account: found } = await discover({
      [LOAD]: ({ body }) => ({
        json: body.includes('works')
          ? { currentTier: { id: 'standard-tier' }, cloudaicompanionProject: 'works' }
          : { currentTier: { id: 'standard-tier' } },
      }),
      '/v1/projects': () => ({
        json: {
          projects: [
            { projectId: 'deleted', lifecycleState: 'DELETE_REQUESTED' },
            { projectId: 'without', lifecycleState: 'ACTIVE' },
            { projectId: 'works', lifecycleState: 'ACTIVE' },
          ],
        },
      }),
      '/v1/projects/without/services/cloudaicompanion.googleapis.com': () => ({ json: { state: 'DISABLED' } }),
      '/v1/projects/works/services/cloudaicompanion.googleapis.com': () => ({ json: { state: 'ENABLED' } }),
    });
    expect(found).toMatchObject({ details: { project_id: 'works', tier: 'PRO' }, standing: { kind: 'active' } });
  });

  test('that nobody has is asked for in words, and the tier is known all the same', async () => {
    const { account: found } = await discover(load({ currentTier: { id: 'standard-tier' } }));
    expect(found).toMatchObject({
      details: { tier: 'PRO' },
      standing: {
        kind: 'blocked',
        why: 'unfinished',
        reason: expect.stringContaining('providers.gemini_cli.oauth.project_id'),
      },
    });
  });
});

test('a token of a server of the user’s own is not shown to Google', async () => {
  const service = serviceWith('gemini_cli', {
    token_url: 'http://127.0.0.1:1/t',
    authorize_url: 'http://127.0.0.1:1/a',
    project_id: 'mine',
  });
  const refusing = { ...toolsWith(), upstream: () => Promise.reject(new Error('nobody may be asked')) };
  const found = await discoverProject(account('gemini_cli'), service, refusing);
  expect(found).toMatchObject({ details: { project_id: 'mine' }, standing: { kind: 'active' } });
});

describe('onboarding', () => {
  const free = { allowedTiers: [{ id: 'legacy-tier' }, { id: 'free-tier', isDefault: true }] };

  test('of a free tier leaves the project out, even a configured one', async () => {
    const { account: found, vendor } = await discover({ ...load(free), [ONBOARD]: onboarded }, { project_id: 'mine' });
    expect(found).toMatchObject({ details: { project_id: 'made-1', tier: 'FREE' }, standing: { kind: 'active' } });
    expect(JSON.parse(vendor.at(ONBOARD)[0]?.body ?? '')).toEqual({
      tierId: 'free-tier',
      metadata: { ideType: 'IDE_UNSPECIFIED', platform: 'PLATFORM_UNSPECIFIED', pluginType: 'GEMINI' },
    });
  });

  test('of a paid tier names it', async () => {
    const paid = { allowedTiers: [{ id: 'standard-tier', isDefault: true, userDefinedCloudaicompanionProject: true }] };
    const { vendor } = await discover({ ...load(paid), [ONBOARD]: onboarded }, { project_id: 'mine' });
    expect(JSON.parse(vendor.at(ONBOARD)[0]?.body ?? '')).toMatchObject({
      tierId: 'standard-tier',
      cloudaicompanionProject: 'mine',
    });
  });

  test('is waited for as an operation', async () => {
    const { account: found, vendor } = await discover({
      ...load(free),
      [ONBOARD]: () => ({ json: { name: 'operations/op-1', done: false } }),
      '/v1internal/operations/op-1': ({ call }) =>
        call < 3
          ? { json: { name: 'operations/op-1' } }
          : { json: { done: true, response: { cloudaicompanionProject: 'made-2' } } },
    });
    expect(found.details.project_id).toBe('made-2');
    expect(vendor.at(ONBOARD)).toHaveLength(1);
    expect(vendor.at('/v1internal/operations/op-1')).toHaveLength(3);
  });

  test('goes on through a server in trouble', async () => {
    const { account: found } = await discover({
      ...load(free),
      [ONBOARD]: (request) => (request.call < 3 ? { status: 503 } : onboarded(request)),
    });
    expect(found.details.project_id).toBe('made-1');
  });

  test('that is refused can be tried again', async () => {
    const { account: found, vendor } = await discover({ ...load(free), [ONBOARD]: () => ({ status: 412, json: {} }) });
    expect(found.standing).toMatchObject({
      kind: 'blocked',
      why: 'unfinished',
      reason: expect.stringContaining('HTTP 412'),
    });
    expect(vendor.at(ONBOARD)).toHaveLength(1);
  });

  test('of Antigravity says who asks', async () => {
    const { vendor } = await discover({ ...load(free), [ONBOARD]: onboarded }, {}, 'antigravity');
    expect(JSON.parse(vendor.at(LOAD)[0]?.body ?? '')).toEqual({ metadata: { ideType: 'ANTIGRAVITY' } });
    expect(JSON.parse(vendor.at(ONBOARD)[0]?.body ?? '')).toEqual({
      tier_id: 'free-tier',
      metadata: { ide_type: 'ANTIGRAVITY', ide_name: 'rotator' },
    });
  });
});

describe('an account that Google does not serve', () => {
  test.each([
    [
      'wants validation, with its link',
      {
        reasonCode: 'VALIDATION_REQUIRED',
        reasonMessage: 'm',
        validationErrorMessage: 'verify it',
        validationUrl: 'https://accounts.test/v',
      },
      { why: 'validation', reason: 'VALIDATION_REQUIRED: verify it', link: 'https://accounts.test/v' },
    ],
    [
      'uses a client that is served no more',
      { reasonCode: 'UNSUPPORTED_CLIENT', reasonMessage: 'no longer supported for individuals' },
      { why: 'ineligible', reason: 'UNSUPPORTED_CLIENT: no longer supported for individuals', link: null },
    ],
    [
      'is too young, and gets no link that is none',
      { reasonCode: 'RESTRICTED_AGE', reasonMessage: 'age', validationUrl: 'javascript:alert(1)' },
      { why: 'ineligible', reason: 'RESTRICTED_AGE: age', link: null },
    ],
  ])('%s', async (_, tier, expected) => {
    const { account: found } = await discover(load({ ineligibleTiers: [tier] }));
    expect(found.standing).toMatchObject({ kind: 'blocked', ...expected });
  });

  test('by a network perimeter is taken at the word of its config', async () => {
    const perimeter: VendorAnswer = {
      status: 403,
      json: {
        error: {
          code: 403,
          details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'SECURITY_POLICY_VIOLATED' }],
        },
      },
    };
    const { account: found } = await discover({ [LOAD]: () => perimeter }, { project_id: 'mine' });
    expect(found).toMatchObject({ details: { project_id: 'mine', tier: 'PRO' }, standing: { kind: 'active' } });
  });

  test.each([
    ['an unreachable server', { [LOAD]: () => ({ status: 503 }) }],
    ['a page', { [LOAD]: () => ({ text: '<html>' }) }],
  ])('%s is no verdict: it is asked again', async (_, scripts) => {
    const { account: found } = await discover(scripts);
    expect(found.standing).toMatchObject({ kind: 'blocked', why: 'unfinished' });
  });
});

describe('a 403 of the API', () => {
  const body = (info: object, more: readonly object[] = []) => ({
    error: {
      code: 403,
      message: 'The caller does not have permission',
      status: 'PERMISSION_DENIED',
      details: [{ domain: 'cloudcode-pa.googleapis.com', ...info }, ...more],
    },
  });

  test.each([
    [
      'that wants validation',
      body({ reason: 'VALIDATION_REQUIRED' }, [{ links: [{ url: 'https://help.test/v' }] }]),
      { why: 'validation', link: 'https://help.test/v' },
    ],
    [
      'that wants it in its metadata, under a domain with odd characters',
      body({
        reason: 'VALIDATION_REQUIRED',
        domain: 'cloudcode-pa.googleapis.com\u200b',
        metadata: { validation_link: 'https://help.test/m' },
      }),
      { why: 'validation', link: 'https://help.test/m' },
    ],
    [
      'that bans',
      body({ reason: 'TOS', metadata: { appeal_url: 'https://appeal.test/' } }),
      { why: 'banned', link: 'https://appeal.test/' },
    ],
    ['of a client that is served no more', body({ reason: 'UNSUPPORTED_CLIENT' }), { why: 'ineligible', link: null }],
  ])('%s is read', (_, json, expected) =>
    expect(accountRefusal(403, json)).toMatchObject({ kind: 'blocked', ...expected }),
  );

  test.each([
    ['of another service', 403, body({ reason: 'VALIDATION_REQUIRED', domain: 'evil.test' })],
    ['without details', 403, { error: { message: 'no' } }],
    ['with another status', 429, body({ reason: 'VALIDATION_REQUIRED' })],
    ['that is none', 403, null],
  ])('%s says nothing of the account', (_, status, json) => expect(accountRefusal(status, json)).toBeNull());
});

test.each([
  ['free-tier', 'FREE', 3],
  ['legacy-tier', 'FREE', 3],
  ['g1-pro-tier', 'PRO', 2],
  ['gemini-code-assist-ultra', 'ULTRA', 1],
  ['brand-new-tier', 'brand-new-tier', undefined],
] as const)('tier %s is %s', (id, name, priority) => {
  expect([tierName(id), tierPriorities[tierName(id)]]).toEqual([name, priority]);
});
