import { describe, expect, test } from 'bun:test';
import { azure } from '../../src/providers/azure.ts';
import { authorize, callUrl, modelsUrl } from '../../src/providers/request.ts';
import { Secret } from '../../src/shared/secret.ts';
import { nothingSaid } from '../conformance/provider-fixture.ts';

const chatAt = (settings: Partial<typeof nothingSaid>, model = 'gpt-4o') => {
  const provider = azure.configure({ ...nothingSaid, ...settings });
  return callUrl(provider, provider.baseUrl ?? '', { model, isStream: false, protocol: 'openai-chat' });
};

describe('where Azure is called', () => {
  const classic = '/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21';
  test.each([
    [{ resource: 'mine' }, `https://mine.openai.azure.com${classic}`],
    [{ baseUrl: 'https://gateway.example' }, `https://gateway.example${classic}`],
    [{ baseUrl: 'https://gateway.example/openai/' }, `https://gateway.example${classic}`],
    [{ baseUrl: 'https://gateway.example/team/openai' }, `https://gateway.example/team${classic}`],
    [
      { resource: 'mine', apiVersion: '2025-04-01-preview' },
      'https://mine.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2025-04-01-preview',
    ],
    [{ resource: 'mine', apiVersion: 'v1' }, 'https://mine.openai.azure.com/openai/v1/chat/completions'],
    [
      { baseUrl: 'https://mine.services.ai.azure.com/openai/v1' },
      'https://mine.services.ai.azure.com/openai/v1/chat/completions',
    ],
    [
      { baseUrl: 'https://mine.services.ai.azure.com/openai', apiVersion: 'v1' },
      'https://mine.services.ai.azure.com/openai/v1/chat/completions',
    ],
  ])('%j', (settings, url) => {
    expect(chatAt(settings)).toBe(url);
  });

  test('a deployment of another name stands in the URL, and in the body where the URL has none', () => {
    const deployments = { 'gpt-4o': 'my gpt' };
    expect(chatAt({ resource: 'mine', deployments })).toContain('/deployments/my%20gpt/');
    const provider = azure.configure({ ...nothingSaid, resource: 'mine', apiVersion: 'v1', deployments });
    expect(provider.callsModel?.('gpt-4o')).toBe('my gpt');
    expect(provider.callsModel?.('toString')).toBe('toString');
  });

  test('the API without versions answers Responses, too', () => {
    const provider = azure.configure({ ...nothingSaid, resource: 'mine', apiVersion: 'v1' });
    expect(provider.speaks?.('gpt-4o')).toEqual(['openai-chat', 'openai-responses']);
    expect(modelsUrl(provider, provider.baseUrl ?? '')).toBe('https://mine.openai.azure.com/openai/v1/models');
  });
});

test('an application that signs in shows its secret to nobody but the directory', () => {
  const application = {
    tenant: 'contoso.example',
    clientId: 'app',
    clientSecret: new Secret('s3cret'),
    tokenUrl: null,
  };
  const provider = azure.configure({ ...nothingSaid, resource: 'mine', application });
  const headers = new Headers();
  authorize(provider, headers, application.clientSecret);
  expect([...headers]).toEqual([]);
  expect(provider.signsIn).toMatchObject({
    tokenUrl: 'https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token',
    scope: 'https://cognitiveservices.azure.com/.default',
    clientId: 'app',
  });
});
