import { describe, expect, test } from 'bun:test';
import { findProvider } from '../../src/providers/index.ts';
import { nothingSaid } from '../conformance/provider-fixture.ts';

function placeOf(name: string, urlVariables: Record<string, string>): string | null | undefined {
  return findProvider(name)?.configure?.({ ...nothingSaid, urlVariables }).baseUrl;
}

describe('a URL with something of the user’s own in it', () => {
  test('has no place until that is said', () => {
    expect(findProvider('cloudflare')?.baseUrl).toBeNull();
    expect(placeOf('cloudflare', {})).toBeNull();
    expect(placeOf('cloudflare', { CLOUDFLARE_ACCOUNT_ID: '0123abc' })).toBe(
      'https://api.cloudflare.com/client/v4/accounts/0123abc/ai/v1',
    );
  });

  test.each(['a/b', '../x', 'a?b', 'a#b', 'evil.example/', 'user@evil.example', '', '.', 'a..b', '%2e'])(
    'takes no %j, which would be more than a name',
    (value) => {
      expect(placeOf('snowflake', { SNOWFLAKE_ACCOUNT: value })).toBeNull();
    },
  );

  test('takes a host with dots, and a whole URL where the vendor leaves all of it to the user', () => {
    expect(placeOf('databricks', { DATABRICKS_HOST: 'dbc-1.cloud.databricks.com' })).toBe(
      'https://dbc-1.cloud.databricks.com/ai-gateway/mlflow/v1',
    );
    expect(placeOf('neon', { NEON_AI_GATEWAY_BASE_URL: 'https://ai.neon.example/gateway/' })).toBe(
      'https://ai.neon.example/gateway/v1',
    );
    expect(placeOf('neon', { NEON_AI_GATEWAY_BASE_URL: 'ai.neon.example' })).toBeNull();
  });

  test('says of a host that it is one, and of an account in a path that it is none', () => {
    const inHost = (name: string) => findProvider(name)?.needs?.map((need) => need.isInHost);
    expect(inHost('databricks')).toEqual([true]);
    expect(inHost('snowflake')).toEqual([true]);
    expect(inHost('neon')).toEqual([true]);
    expect(inHost('cloudflare')).toEqual([false]);
    expect(inHost('infomaniak')).toEqual([false]);
  });
});
